/** The entries of a checkpoint about a network that is data. */
import { stateDictValue } from '../../src/checkpoint/keys';
import type { Value } from '../../src/checkpoint/value';
import { parseNetwork } from '../../src/network/schema';
import { checkpointNetwork, networkEntries, networkFor } from '../../src/run/checkpoint-network';

const arch = parseNetwork(
  {
    name: 'one',
    layers: [
      { name: 'pool', kind: 'avgpool' },
      { name: 'head.out', kind: 'linear', out: 'classes' },
    ],
  },
  'one.json',
);
const weights = stateDictValue(
  new Map([['head.out.weight', { dtype: 'float32', shape: [7, 3], data: new Uint8Array(84) }]]),
);
const file = (entries: [string, Value][]): Value => new Map([['state_dict', weights], ...entries]);
const recorded = (entries: [string, Value][]) => file([['earlybird', new Map(entries)]]);

test('a file of ours holds the network, which is read without --arch', () => {
  const value = recorded(networkEntries({ arch, depth: 1, classes: 7, cfg: [] }));
  expect(networkFor({}, value, 'a.pth.tar')).toMatchObject({ arch, depth: 1, classes: 7 });
});

test('in a file of another program the last layer has the classes', () => {
  expect(networkFor({ arch }, file([]), 'a.pth.tar')).toEqual({ arch, depth: 1, classes: 7 });
});

test('a depth beside the recorded one of the same network is refused', () => {
  const value = recorded(networkEntries({ arch: 'vgg', depth: 16, classes: 7, cfg: [8] }));
  expect(() => networkFor({ depth: 11 }, value, 'a.pth.tar')).toThrow(
    expect.objectContaining({
      code: 'ERR_CHECKPOINT',
      message: 'a.pth.tar holds a vgg of depth 16 by its record, not 11: give --depth 16, or none.',
    }),
  );
  expect(networkFor({ depth: 16 }, value, 'a.pth.tar')).toMatchObject({ depth: 16, cfg: [8] });
  expect(networkFor({ arch: 'resnet', depth: 11 }, value, 'a.pth.tar')).toMatchObject({ depth: 11 });
});

test('a network that is damaged is refused, not guessed', () => {
  const value = recorded([
    ['arch', 'one'],
    ['network', '{"name":"one","layers":[{"name":"a","kind":"system"}]}'],
  ]);
  expect(() => checkpointNetwork(value, 'a.pth.tar')).toThrow(
    expect.objectContaining({
      code: 'ERR_CHECKPOINT',
      message: expect.stringMatching(/^The network in a.pth.tar .*"a"/),
    }),
  );
});

describe('weights of a network whose layers compute something else', () => {
  const relu = (max?: number) =>
    parseNetwork(
      {
        name: max ? 'six' : 'plain',
        layers: [
          { name: 'conv', kind: 'conv', out: 4, kernel: 3 },
          { name: 'act', kind: 'relu', ...(max && { max }) },
          { name: 'pool', kind: 'avgpool' },
          { name: 'head.out', kind: 'linear', out: 'classes' },
        ],
      },
      'relu.json',
    );
  const value = recorded(networkEntries({ arch: relu(), depth: 1, classes: 7, cfg: [4] }));

  test('are refused, although their shapes are the same', () => {
    expect(() => networkFor({ arch: relu(6) }, value, 'a.pth.tar')).toThrow(
      expect.objectContaining({
        code: 'ERR_CHECKPOINT',
        message:
          'a.pth.tar holds weights of the network plain, whose layer act computes something else than that of six: give no --arch, or save its weights alone, torch.save(model.state_dict(), ...).',
      }),
    );
  });

  test('are taken of the same network under another name, cut narrower, or without a record', () => {
    const narrow = JSON.parse(JSON.stringify(relu()).replace('"out":4', '"out":2')) as typeof arch;
    expect(networkFor({ arch: { ...relu(), name: 'other' } }, value, 'a.pth.tar').arch).toMatchObject({
      name: 'other',
    });
    expect(networkFor({ arch: narrow }, value, 'a.pth.tar').arch).toEqual(narrow);
    expect(networkFor({ arch: relu(6) }, file([]), 'a.pth.tar').arch).toEqual(relu(6));
  });
});

test.each([
  [
    [0.5, 0.5, Number.NaN],
    [1, 1, 1],
  ],
  [
    [0.5, 0.5, 0.5],
    [1, 0, 1],
  ],
  [[0.5], [1, 1, 1]],
])('a normalisation that is none is refused: mean %j, deviation %j', (mean, std) => {
  const value = recorded([...networkEntries({ arch, depth: 1, classes: 7, cfg: [] }), ['mean', mean], ['std', std]]);
  expect(() => checkpointNetwork(value, 'a.pth.tar')).toThrow(
    expect.objectContaining({
      code: 'ERR_CHECKPOINT',
      message: expect.stringMatching(/^a\.pth\.tar records a normalisation/),
    }),
  );
});
