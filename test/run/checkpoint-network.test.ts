/** What a checkpoint says of a network that is data. */
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
