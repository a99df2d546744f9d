/** Word lengths: from options, from checkpoints, and by the paper's names of both stages. */
import { wrappedKeys } from '../../src/checkpoint/keys';
import type { Value } from '../../src/checkpoint/value';
import type { ModelDescription } from '../../src/native/types/model';
import type { NumberFormats } from '../../src/native/types/number-formats';
import { identityOf } from '../../src/recipe/identity';
import {
  FULL_PRECISION,
  formatsOf,
  formatsText,
  lengthsText,
  PRECISION_KEYS,
  type PrecisionOptions,
  precisionOptions,
  testedOptions,
} from '../../src/recipe/precision';
import { parseRecipe } from '../../src/recipe/recipe';
import { settleVariant } from '../../src/recipe/variant';
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

test('of the formats that are given for a test, those count that it rounds to, and full precision', () => {
  const tested = (given: PrecisionOptions, said?: NumberFormats) =>
    formatsOf(precisionOptions(testedOptions(given), said));
  expect(tested({ wlWeight: 4, wlGrad: 4, wlError: 4, wlMomentum: 4 })).toBeUndefined();
  expect(tested({ format: 'bfp8' })).toMatchObject({ weight: -1, activate: 8, grad: -1, error: -1, momentum: -1 });
  expect(tested({ format: 'mxint8' })).toMatchObject({ weight: 'mxint8', activate: 'mxint8', grad: -1, error: -1 });
  expect(tested({ wlWeight: 4, wlActivate: 6, wlError: -1 }, formats)).toEqual({ ...formats, activate: 6, error: -1 });
  expect(tested({ format: 'full' }, { ...formats, momentum: -1 })).toBeUndefined();
  expect(tested(FULL_PRECISION, formats)).toBeUndefined();
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

describe('MX formats and NVFP4', () => {
  const settled = (input: object) => parseRecipe('search', { ...input }) as PrecisionOptions;
  const mx = { weight: 'mxint8', activate: 'mxint8', grad: 'mxint8', error: 'mxint8', momentum: -1 };

  test('one for all, or one for each kind', () => {
    expect(formatsOf({ format: 'mxint8' })).toMatchObject({ ...mx, scale: 'floor' });
    expect(formatsOf({ format: 'mxint8' })).not.toHaveProperty('operandRounding');
    expect(formatsOf({ format: 'bfp8' })).toEqual(formats);
    expect(formatsOf({ format: 'full' })).toBeUndefined();
    expect(formatsOf({ format: 'mxint8', formatError: 'full', formatGrad: 'mxfp8-e5m2' })).toMatchObject({
      ...mx,
      error: -1,
      grad: 'mxfp8-e5m2',
    });
    expect(formatsOf({ formatActivate: 'nvfp4', wlMomentum: 8, rounding: 'away', scale: 'even' })).toMatchObject({
      ...{ weight: -1, activate: 'nvfp4', momentum: 8 },
      ...{ rounding: 'stochastic', operandRounding: 'away', scale: 'even' },
    });
    expect(formatsOf({ format: 'mxfp4', masterWeights: 'format' })).toMatchObject({ roundedWeights: true });
  });

  test.each([
    { format: 'mxint8' },
    { format: 'bfp8' },
    { format: 'mxfp4', formatWeight: 'full', scale: 'rceil', rounding: 'stochastic' },
    { formatGrad: 'nvfp4', wlActivate: 6, rounding: 'nearest' },
    { format: 'mxfp6-e2m3', masterWeights: 'format', wlMomentum: 8, nonFinite: 'propagate' },
  ])('a settled recipe of %j stays as it is', (input) => {
    const once = settled(input);
    expect(parseRecipe('search', { ...once })).toEqual(once);
    expect(parseRecipe('search', JSON.parse(JSON.stringify(once)))).toEqual(once);
    expect(formatsOf(once)).toEqual(formatsOf(input as PrecisionOptions));
  });

  test('checkpoints carry them, and options change them one by one', () => {
    const all = formatsOf({ format: 'mxfp4', formatError: 'mxfp8-e5m2', rounding: 'away', scale: 'even' })!;
    const { nonFinite, ...carried } = all;
    expect(formatsFrom(formatsValue(all), 'x')).toEqual(carried);
    expect(formatsOf(precisionOptions({}, carried))).toEqual(all);
    expect(formatsOf(precisionOptions({ formatWeight: 'mxint8' }, carried))).toEqual({ ...all, weight: 'mxint8' });
    expect(formatsOf(precisionOptions({ wlWeight: 8 }, carried))).toEqual({ ...all, weight: 8 });
    expect(formatsOf(precisionOptions({ wlWeight: -1 }, carried))).toEqual({ ...all, weight: -1 });
    expect(formatsOf(precisionOptions(FULL_PRECISION, carried))).toBeUndefined();
    // The carried rounding is dropped where the formats asked for do not have it.
    expect(formatsOf(precisionOptions(EIGHT, carried))).toEqual(formats);
    const value = formatsValue(all) as Map<string, Value>;
    for (const bad of [
      ['weight', 'mxfp5'],
      ['momentum', 'mxint8'],
      ['scale', null],
      ['operandRounding', 'up'],
    ] as const)
      expect(() => formatsFrom(new Map([...value, bad]), 'f.pth.tar')).toThrow(/^f\.pth\.tar has word lengths that/);
    expect(() => formatsFrom(new Map([...value].filter(([key]) => key !== 'scale')), 'f')).toThrow('make no sense');
  });

  test.each([
    [{ format: 'mxint8', wlWeight: 8 }, '--wl-weight and --format say two formats for one kind of numbers'],
    [{ formatError: 'mxint8', wlError: 8 }, '--wl-error and --format say two formats'],
    [{ format: 'bfp8', wlMomentum: 8 }, '--wl-momentum and --format say two formats'],
    [
      { format: 'mxint8', rounding: 'nearest' },
      '--rounding nearest is not possible with these formats: give stochastic or even',
    ],
    [
      { format: 'bfp8', rounding: 'even' },
      '--rounding even is not possible with these formats: give stochastic or nearest',
    ],
    [{ format: 'mxfp5' }, '--format mxfp5 is not possible: give one of bfp8, mxint8'],
    [{ format: 'mxint8', scale: 'up' }, '--scale up is not possible: give one of floor, rceil, even'],
    [{ format: 'bfp8', scale: 'rceil' }, '--scale rceil does nothing with these formats: leave it out, or give an MX'],
    [{ wlWeight: 8, masterWeights: 'format' }, '--master-weights format does nothing with these formats'],
    [{ formatError: 'mxfp4', masterWeights: 'fp32' }, '--master-weights fp32 does nothing with these formats'],
  ])('%j is refused', (input, message) => {
    expect(() => settled(input)).toThrow(message);
  });

  test('as text', () => {
    const text = (options: PrecisionOptions) => formatsText(formatsOf(options)!);
    expect(text({ format: 'mxint8' })).toBe(
      'weight mxint8, activate mxint8, grad mxint8, error mxint8, momentum -1, scale floor, nearest even, gradients stochastic',
    );
    expect(text({ formatWeight: 'mxfp4', wlMomentum: 8, masterWeights: 'format', rounding: 'even' })).toBe(
      'weight mxfp4, activate -1, grad -1, error -1, momentum 8, stochastic (qtorch), scale floor, even, no full-precision weights',
    );
    const title = (options: PrecisionOptions) => lengthsText(formatsOf(options)!);
    expect([
      title({ format: 'mxint8' }),
      title({ format: 'bfp8' }),
      title({ format: 'mxint8', formatGrad: 'full' }),
    ]).toEqual(['mxint8', '8 bits', 'low precision']);
  });

  test('full precision has no entries of formats, so that it stays what it was', () => {
    const { identity } = { identity: identityOf('search', settled({})) };
    expect(Object.keys(identity).filter((key) => PRECISION_KEYS.includes(key))).toEqual([]);
    const old = identityOf('search', settled(EIGHT));
    expect(Object.entries(old).filter(([key, value]) => /ormat|scale|master/.test(key) && value !== undefined)).toEqual(
      [],
    );
  });
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
