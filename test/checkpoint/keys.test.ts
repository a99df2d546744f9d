/** Keys, cfg and optimiser state of the reference's files, in all their spellings. */
import * as path from 'node:path';
import { inspectFile } from '../../src/checkpoint/inspect';
import {
  bestOf,
  cfgOf,
  epochOf,
  hasWrappedKeys,
  parameterKeys,
  plainKeys,
  stateDictOf,
  stateDictValue,
  wrappedKeys,
} from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { momentumOf, sgdOptimizerValue } from '../../src/checkpoint/sgd';
import { OrderedDict, type Value } from '../../src/checkpoint/value';
import type { StateDict, TensorData } from '../../src/tensor';
import { golden } from '../support/golden';

const fixture = (name: string) => path.resolve(__dirname, '../fixtures/reference/checkpoints', name);
const tensor = (x = 0): TensorData => ({
  dtype: 'float32',
  shape: [1],
  data: new Uint8Array(new Float32Array([x]).buffer),
});
const refusal = (about: RegExp) =>
  expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(about) });

test.each([
  ['feature.3.0.weight', 'feature.3.weight'],
  ['conv1.0.weight', 'conv1.weight'],
  ['layer1.0.conv2.0.weight', 'layer1.0.conv2.weight'],
  ['layer1.0.downsample.0.0.weight', 'layer1.0.downsample.0.weight'],
  ...['feature.0.weight', 'feature.3.running_mean', 'conv1.weight', 'layer1.0.conv2.weight', 'layer1.0.bn1.weight'].map(
    (key) => [key, key],
  ),
  ...[
    'layer1.0.downsample.0.weight',
    'layer2.0.downsample.0.bias',
    'layer2.0.downsample.1.weight',
    'layer1.0.select.indexes',
  ].map((key) => [key, key]),
  ...['classifier.weight', 'fc.bias', '0.weight', 'deconv1.0.weight'].map((key) => [key, key]),
])('%s is %s', (key, plain) => {
  expect(plainKeys([key!]).get(key!)).toBe(plain);
});

/** Keys of convolutions, as a model describes itself: here layers with weights but without running statistics. */
const convolutionsOf = (plain: string[]) =>
  plain.flatMap((key) => {
    const layer = key.replace(/\.weight$/, '');
    return key.endsWith('.weight') && !plain.includes(`${layer}.running_var`) && !/^(classifier|fc)$/.test(layer)
      ? [layer]
      : [];
  });

test('wrapped keys are the plain ones with the quantiser, and come back', () => {
  const plain = ['feature.0.weight', 'feature.1.weight', 'feature.1.running_var', 'classifier.weight'];
  const state: StateDict = new Map(plain.map((key, i) => [key, tensor(i)]));
  const wrapped = wrappedKeys(state, ['feature.0']);
  expect([...wrapped.keys()]).toEqual(['feature.0.0.weight', ...plain.slice(1)]);
  expect(stateDictOf(stateDictValue(wrapped))).toEqual(state);
  expect([hasWrappedKeys(stateDictValue(wrapped)), hasWrappedKeys(stateDictValue(state))]).toEqual([true, false]);
  expect(hasWrappedKeys(new Map([['state_dict', stateDictValue(wrapped)]]))).toBe(true);
  expect([hasWrappedKeys(null), hasWrappedKeys(new Map([['epoch', 1]]))]).toEqual([false, false]);
});

test('a Sequential that begins with a convolution is no quantiser', () => {
  const own = ['conv1.0.weight', 'conv1.1.weight', 'conv1.1.running_mean', 'conv2.0.weight', 'layers.conv3.0.0.weight'];
  const keys = [...own, 'layers.conv3.1.weight', 'fc.weight'];
  expect([...plainKeys(keys).values()]).toEqual(keys.map((key) => (key === own[3] ? 'conv2.weight' : key)));
});

test('a network that is data says which layers are convolutions', () => {
  const layers = ['stem', 'stem_bn', 'block.0', 'conv1.0'].map((name) => ({
    name,
    kind: /bn/.test(name) ? 'batchnorm' : 'conv',
  }));
  const keysFrom = (...keys: string[]) => {
    const earlybird = new Map([['network', JSON.stringify({ name: 'own', layers })]]);
    const state = stateDictValue(new Map(keys.map((key) => [key, tensor()])));
    return [
      ...stateDictOf(
        new Map<string, Value>([
          ['state_dict', state],
          ['earlybird', earlybird],
        ]),
      ).keys(),
    ];
  };
  const plain = ['stem.weight', 'stem_bn.weight', 'block.0.weight', 'block.0.bias', 'conv1.0.weight'];
  expect(keysFrom(...plain)).toEqual(plain);
  const file = (key: string) =>
    new Map<string, Value>([
      ['state_dict', stateDictValue(new Map([[key, tensor()]]))],
      ['earlybird', new Map([['network', JSON.stringify({ layers })]])],
    ]);
  expect([hasWrappedKeys(file('conv1.0.weight')), hasWrappedKeys(file('stem.0.weight'))]).toEqual([false, true]);
  // An earlier version wrote keys of quantisers.
  expect(keysFrom('stem.0.weight', 'stem_bn.weight', 'block.0.0.weight', 'block.0.0.bias', 'conv1.0.0.weight')).toEqual(
    plain,
  );
});

describe('a network that is data, whose layers are called as wrappers call networks', () => {
  const layersOf = (names: string[]) => names.map((name) => ({ name, kind: /bn$/.test(name) ? 'batchnorm' : 'conv' }));
  const weights = (names: string[]) => stateDictValue(new Map(names.map((name) => [`${name}.weight`, tensor()])));
  test.each([
    [['net.0', 'net.1bn', 'net.2.0']],
    [['model.conv1', 'model.fc']],
    [['backbone.module.a', 'backbone.b', '_orig_mod']],
    [['network.x.conv1', 'network.x.fc', 'network.y']],
  ])('%j keep their keys', (names) => {
    const lines: string[] = [];
    const keysOf = (value: Value, layers?: ReturnType<typeof layersOf>) => [
      ...stateDictOf(value, 'x.pth', (line) => lines.push(line), layers).keys(),
    ];
    const own = names.map((name) => `${name}.weight`);
    const file = new Map<string, Value>([
      ['state_dict', weights(names)],
      ['earlybird', new Map([['network', JSON.stringify({ layers: layersOf(names) })]])],
    ]);
    expect([keysOf(file), keysOf(weights(names), layersOf(names)), lines]).toEqual([own, own, []]);
    expect(hasWrappedKeys(file)).toBe(false);
    // A wrapper's prefix is still one where the layers are not there under their own names.
    expect(keysOf(weights(['module.stem', 'module.stem_bn']), layersOf(['stem', 'stem_bn']))).toEqual([
      'stem.weight',
      'stem_bn.weight',
    ]);
  });
});

describe('key names of the reference', () => {
  const { wrapped_key_names: lists } = golden.json<{ wrapped_key_names: Record<string, string[]> }>('optimlp.json');
  test.each(Object.entries(lists))('%s', (_name, wrapped) => {
    const plain = [...plainKeys(wrapped).values()];
    expect(new Set(plain).size).toBe(wrapped.length);
    const state: StateDict = new Map(plain.map((key) => [key, tensor()]));
    const convolutions = convolutionsOf(plain);
    expect(convolutions.length).toBeGreaterThan(10);
    expect([...wrappedKeys(state, convolutions).keys()]).toEqual(wrapped);
  });
});

test('state dicts: wrapped, bare, prefixed; anything else says what it is', () => {
  const bare = new OrderedDict([
    ['module.a', tensor(1)],
    ['module.feature.0.0.weight', tensor(2)],
  ]);
  expect([...stateDictOf(bare).keys()]).toEqual(['a', 'feature.0.weight']);
  expect([
    ...stateDictOf(
      new Map<string, Value>([
        ['epoch', 1],
        ['state_dict', bare],
      ]),
    ).keys(),
  ]).toEqual(['a', 'feature.0.weight']);
  const mixed: StateDict = new Map([
    ['module.a', tensor()],
    ['b', tensor()],
  ]);
  expect([...stateDictOf(stateDictValue(mixed)).keys()]).toEqual(['module.a', 'b']);

  expect(() => stateDictOf([1], 'x.pth')).toThrow(refusal(/x\.pth holds a list/));
  expect(() => stateDictOf(new Map([['epoch', 3]]))).toThrow(refusal(/"epoch"/));
  expect(() => stateDictOf(new Map())).toThrow(refusal(/no weights/));
  expect(() =>
    stateDictOf(
      new Map([
        ['conv1.weight', tensor()],
        ['conv1.0.weight', tensor()],
      ]),
    ),
  ).toThrow(refusal(/two tensors for conv1/));
});

test('cfg, epoch and best', async () => {
  const { value } = await readCheckpoint(fixture('pruned_vgg_small.pth.tar'));
  expect(cfgOf(value)).toEqual([4, 5, 'M', 6, 'M', 7, 'M', 8, 'M', 9]);
  expect([epochOf(value), bestOf(value)]).toEqual([undefined, undefined]);
  expect(cfgOf(new Map())).toBeUndefined();
  expect(cfgOf(new Map([['metadata', new Map([['cfg', '[8,"M"]']])]]))).toEqual([8, 'M']);
  for (const bad of ['X', -3, 0, 1.5, null, [1]])
    expect(() => cfgOf(new Map([['cfg', [4, bad] as Value]]))).toThrow(refusal(/cfg/));
  expect(() => cfgOf(new Map([['cfg', 'M']]))).toThrow(refusal(/not a list/));

  const numpy = (await readCheckpoint(fixture('numpy_scalar.pth.tar'))).value;
  expect([epochOf(numpy), bestOf(numpy)]).toEqual([4, 71.5]);
  expect(bestOf(new Map([['best_prec1', tensor(12.5)]]))).toBe(12.5);
  expect(bestOf(new Map([['prec1', 3]]))).toBe(3);
});

describe('optimiser', () => {
  const all = ['bn.weight', 'bn.bias', 'select.indexes', 'fc.weight'];
  const trained = all.filter((key) => key !== 'select.indexes');
  const momentum: StateDict = new Map(trained.map((key, i) => [key, tensor(i + 1)]));
  const rest = { lr: 0.1, momentumFactor: 0.9, weightDecay: 1e-4 };

  test('indexes take a position and have no momentum', () => {
    const value = sgdOptimizerValue({ momentum, parameters: all, ...rest }) as Map<string, Value>;
    expect([...(value.get('state') as Map<number, Value>).keys()]).toEqual([0, 1, 3]);
    expect(momentumOf(value, all)).toEqual({ momentum, lr: 0.1 });
    expect(momentumOf(new Map([['optimizer', value]]), trained, all)).toEqual({ momentum, lr: 0.1 });
  });

  test('a file that gives indexes no position is understood too', () => {
    const value = sgdOptimizerValue({ momentum, parameters: trained, ...rest });
    expect(momentumOf(value, all)).toEqual({ momentum, lr: 0.1 });
    expect(momentumOf(value, trained)).toEqual({ momentum, lr: 0.1 });
  });

  test('names that are those of the parameters are taken as they are', () => {
    const parameters = ['net.0.weight', 'net.1.weight'];
    const state = new Map(parameters.map((name, i) => [name, new Map([['momentum_buffer', tensor(i)]])]));
    const groups = [
      new Map<string, Value>([
        ['lr', 0.1],
        ['params', parameters],
      ]),
    ];
    const { momentum } = momentumOf(
      new Map<string, Value>([
        ['state', state],
        ['param_groups', groups],
      ]),
      parameters,
    );
    expect([...momentum.keys()]).toEqual(parameters);
  });

  test('another model, or none, is refused', () => {
    const value = sgdOptimizerValue({ momentum, parameters: all, ...rest });
    expect(() => momentumOf(value, ['one'])).toThrow(refusal(/4 parameters, but the model has 1/));
    expect(() => momentumOf(new Map([['state_dict', new Map()]]), all)).toThrow(refusal(/no optimizer/));
    expect(() => momentumOf(null, all)).toThrow(refusal(/no optimizer/));
  });

  test('parameters of a state dict are all but the buffers', () => {
    const keys = [
      'bn.weight',
      'bn.bias',
      'bn.running_mean',
      'bn.running_var',
      'bn.num_batches_tracked',
      'select.indexes',
      'fc.weight',
    ];
    expect(parameterKeys(new Map(keys.map((key) => [key, tensor()])))).toEqual(all);
  });
});

test('inspect lists what is in a file', async () => {
  const report = await inspectFile(fixture('numpy_scalar.pth.tar'));
  expect(report).toMatchObject({ format: 'zip', epoch: 4, best: 71.5, cfg: null });
  expect(report.tensors[0]).toEqual({
    key: 'state_dict.conv1.weight',
    dtype: 'float32',
    shape: [16, 3, 3, 3],
    bytes: 1728,
  });
  expect(report.values).toContainEqual({ key: 'optimizer.param_groups.0.lr', value: 0.1 });
  expect((await inspectFile(fixture('pruned_vgg_small_legacy.pth.tar'))).cfg).toEqual([
    4,
    5,
    'M',
    6,
    'M',
    7,
    'M',
    8,
    'M',
    9,
  ]);
  await expect(inspectFile(fixture('evil_system.pth.tar'))).rejects.toThrow(refusal(/posix\.system/));
});
