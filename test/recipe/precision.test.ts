/** Word lengths: from options, from checkpoints, and by the paper's names of both stages. */
import { wrappedKeys } from '../../src/checkpoint/keys';
import type { Value } from '../../src/checkpoint/value';
import type { ModelDescription } from '../../src/native/types/model';
import type { NumberFormats } from '../../src/native/types/number-formats';
import {
  formatsOf,
  formatsText,
  type PrecisionOptions,
  precisionOptions,
  settleVariant,
} from '../../src/recipe/precision';
import { weightsValue } from '../../src/run/checkpoint';
import { formatsFrom, formatsValue, precisionFor } from '../../src/run/checkpoint-formats';
import { checkpointNetwork, modelInfo } from '../../src/run/checkpoint-network';
import type { StateDict, TensorData } from '../../src/tensor';

const tensor: TensorData = { dtype: 'float32', shape: [], data: new Uint8Array(4) };
const EIGHT = { wlWeight: 8, wlActivate: 8, wlGrad: 8, wlError: 8, wlMomentum: 8 };
const formats: NumberFormats = {
  weight: 8,
  activate: 8,
  grad: 8,
  error: 8,
  momentum: 8,
  rounding: 'stochastic',
  flavour: 'qtorch',
  nonFinite: 'error',
};
const wrapped: Value = new Map([['state_dict', new Map([['module.feature.0.0.weight', tensor]])]]);

test('full precision is no formats, one word length is enough for some', () => {
  expect(formatsOf({})).toBeUndefined();
  expect(formatsOf({ wlWeight: -1, rounding: 'nearest' })).toBeUndefined();
  expect(formatsOf(EIGHT)).toEqual(formats);
  expect(formatsOf({ wlGrad: 4, rounding: 'nearest', bfpFlavour: 'swalp', nonFinite: 'propagate' })).toEqual({
    weight: -1,
    activate: -1,
    grad: 4,
    error: -1,
    momentum: -1,
    rounding: 'nearest',
    flavour: 'swalp',
    nonFinite: 'propagate',
  });
});

test('each option: as given, else as the checkpoint says, else the default', () => {
  const said: NumberFormats = { ...formats, momentum: 16, rounding: 'nearest' };
  expect(precisionOptions({}, said)).toMatchObject({ ...EIGHT, wlMomentum: 16, rounding: 'nearest' });
  expect(precisionOptions({ wlWeight: -1 }, said)).toMatchObject({ wlWeight: -1, wlGrad: 8 });
  expect(precisionOptions({ rounding: 'stochastic' })).toMatchObject({ wlWeight: -1, rounding: 'stochastic' });
});

test('a low-precision file that does not say its word lengths is one line, unless they are given', () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  expect(formatsOf(precisionFor({}, wrapped, 'x.pth.tar', undefined, log))).toBeUndefined();
  expect(lines).toEqual([expect.stringMatching(/^x\.pth\.tar .* does not say its word lengths.*--wl-weight/)]);
  precisionFor(EIGHT, wrapped, 'x', undefined, log);
  precisionFor({}, wrapped, 'x', formats, log);
  precisionFor({}, new Map([['state_dict', new Map([['feature.0.weight', tensor]])]]), 'x', undefined, log);
  expect(lines).toHaveLength(1);
});

test('a checkpoint carries formats, and nonsense in them is refused', () => {
  const { nonFinite, ...carried } = formats;
  expect(formatsFrom(formatsValue(formats), 'x')).toEqual(carried);
  expect(formatsValue(undefined)).toBeNull();
  expect(formatsFrom(null, 'x')).toBeUndefined();
  expect(formatsText(carried)).toBe('weight 8, activate 8, grad 8, error 8, momentum 8, stochastic (qtorch)');
  for (const [key, bad] of Object.entries({
    weight: 1,
    grad: 23,
    error: 2.5,
    rounding: 'up',
    flavour: 'x',
    momentum: null,
  })) {
    const value = new Map([...(formatsValue(formats) as Map<string, Value>), [key, bad]]);
    expect(() => formatsFrom(value, 'f.pth.tar')).toThrow(/^f\.pth\.tar has word lengths that make no sense/);
  }
  const file: Value = new Map([['earlybird', new Map([['formats', formatsValue(formats)]])]]);
  expect(checkpointNetwork(file, 'x').formats).toEqual(carried);
  expect(checkpointNetwork(new Map(), 'x')).not.toHaveProperty('formats');
});

test('only a low-precision network is written under wrapped keys', () => {
  const description = {
    arch: 'vgg',
    depth: 11,
    classes: 10,
    cfg: [8],
    input: [3, 32, 32],
    layers: [
      { kind: 'conv', key: 'feature.0' },
      { kind: 'batchnorm', key: 'feature.1' },
      { kind: 'linear', key: 'classifier' },
    ],
  } as unknown as ModelDescription;
  const keys = ['feature.0.weight', 'feature.1.weight', 'classifier.weight'];
  const state: StateDict = new Map(keys.map((key) => [key, tensor]));
  const names = (info: NumberFormats | undefined) => [
    ...(weightsValue(state, modelInfo(description, info)) as StateDict).keys(),
  ];
  expect(names(undefined)).toEqual(keys);
  expect(names(formats)).toEqual(['feature.0.0.weight', ...keys.slice(1)]);
  expect([...wrappedKeys(new Map([['downsample.0.bias', tensor]]), ['downsample.0']).keys()]).toEqual([
    'downsample.0.0.bias',
  ]);
});

describe('variants', () => {
  const settled = (recipe: PrecisionOptions & { variant?: 'ff' | 'lf' | 'll' }) => ({
    ...recipe,
    ...settleVariant(recipe),
  });
  test.each([
    [{}, { variant: 'ff' }],
    [{ wlWeight: -1 }, { variant: 'ff', wlWeight: -1 }],
    [{ wlWeight: 8 }, { variant: 'll', wlWeight: 8 }],
    [{ variant: 'lf' as const }, { variant: 'lf', ...EIGHT }],
    [{ variant: 'll' as const }, { variant: 'll', ...EIGHT }],
    [
      { variant: 'lf' as const, wlError: 4 },
      { variant: 'lf', wlError: 4 },
    ],
    [
      { variant: 'ff' as const, rounding: 'nearest' as const },
      { variant: 'ff', rounding: 'nearest' },
    ],
  ])('%j becomes %j', (recipe, expected) => {
    expect(settled({ ...recipe })).toEqual(expected);
  });

  test('what contradicts itself is refused', () => {
    expect(() => settled({ variant: 'ff', wlWeight: 8 })).toThrow('--variant ff is full precision');
    expect(() => settled({ variant: 'lf', wlWeight: -1 })).toThrow('--variant lf needs low precision');
  });
});
