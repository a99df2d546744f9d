import type { MaskResult, NativeModel } from '../../src/native/types/model';
import { gammasOf, type Mask, maskDistance, maskFromGammas } from '../../src/ticket/mask';
import { type Case, lazy } from './lib/case';
import { Checks } from './lib/checks';
import { withGammas } from './lib/fill';
import type { Context } from './lib/networks';
import type { Seed } from './lib/random';
import type { SpecJson } from './lib/reference';
import { floatsOfHex, floatTensor, hexOfBytes, hexOfFloat, sha256, unpackBits } from './lib/tensors';

interface MaskJson {
  p: number;
  index: number;
  threshold_hex: string;
  kept?: number;
  kept_per_bn: number[];
  mask_sha256?: string;
  mask_hex?: string;
  mask?: number[];
}

interface DistanceJson {
  p: number;
  seed_a: Seed;
  seed_b: Seed;
  equal_bits: number;
  distance: number;
}

interface MasksJson {
  cases?: Record<
    string,
    { model: SpecJson; seed: Seed; gamma: string; N: number; bn_sizes: number[]; masks: MaskJson[] }
  >;
  tie_cases?: { model: string; seed: Seed; gamma: string; masks: MaskJson[] }[];
  tiny_cases?: { case: string; sizes: number[]; gamma_hex: string; masks: MaskJson[] }[];
  threshold_index?: { N: number; index: Record<string, number> }[];
  distances?: Record<string, DistanceJson[]>;
}

/** Masks of whole networks, of tied and odd gammas, the threshold's index, and distances between masks: all exact. */
export function* cases(context: Context): Iterable<Case> {
  const file = context.reference.json<MasksJson>('masks.json');
  for (const [name, item] of Object.entries(file.cases ?? {})) {
    yield {
      name: `masks ${name}`,
      run: () =>
        withModel(context, item.model, async (model) => {
          const sizes = model.describe().batchNorms.map(({ channels }) => channels);
          const checks = new Checks();
          checks.equal('bn_sizes', sizes, item.bn_sizes);
          await regamma(model, item.seed, item.gamma);
          await checkMasks(checks, model, item.masks, item.N);
          return checks.done();
        }),
    };
  }
  for (const { model: name, seed, gamma, masks } of file.tie_cases ?? []) {
    yield {
      name: `masks ${name} gammas '${gamma}'`,
      run: () => {
        const item = file.cases?.[name];
        if (!item) throw new Error(`masks.json has no case '${name}'`);
        return withModel(context, item.model, async (model) => {
          const checks = new Checks();
          await regamma(model, seed, gamma);
          await checkMasks(checks, model, masks, item.N);
          return checks.done();
        });
      },
    };
  }
  for (const { case: name, sizes, gamma_hex: hex, masks } of file.tiny_cases ?? []) {
    yield {
      name: `masks tiny: ${name}`,
      run: async () => {
        const values = floatsOfHex(hex);
        const model = await explicitGammas(context, sizes, values);
        const checks = new Checks();
        await checkMasks(checks, model, masks, values.length);
        model.dispose();
        return checks.done();
      },
    };
  }
  for (const { N, index } of file.threshold_index ?? []) {
    yield { name: `masks threshold index of N = ${N}`, run: () => checkIndexes(context, N, index) };
  }
  for (const [name, distances] of Object.entries(file.distances ?? {})) {
    yield {
      name: `masks ${name} distances`,
      run: () => {
        const item = file.cases?.[name];
        if (!item) throw new Error(`masks.json has no case '${name}'`);
        return withModel(context, item.model, (model) => checkDistances(context, model, item.gamma, item.N, distances));
      },
    };
  }
}

async function withModel<T>(context: Context, spec: SpecJson, use: (model: NativeModel) => Promise<T>): Promise<T> {
  const model = await context.create(spec);
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

async function regamma(model: NativeModel, seed: Seed, mode: string): Promise<void> {
  await model.loadStateDict(withGammas(await model.stateDict(), seed, mode));
}

/** Checks the native mask and its twin in plain TypeScript. */
async function checkMasks(checks: Checks, model: NativeModel, expected: MaskJson[], N: number): Promise<void> {
  const results = await model.masks(expected.map(({ p }) => p));
  const gammas = gammasOf(await model.stateDict());
  for (const [i, want] of expected.entries()) {
    const native = results[i]!;
    checks.equal(`p = ${want.p} ratio`, native.ratio, want.p);
    checks.equal(`p = ${want.p} kept per BN`, native.keptPerLayer, want.kept_per_bn);
    checkMask(checks, `p = ${want.p}`, native, want, N);
    checkMask(checks, `TypeScript, p = ${want.p}`, maskFromGammas(gammas, want.p), want, N);
  }
}

function checkMask(checks: Checks, at: string, got: Mask, want: MaskJson, N: number): void {
  const bits = unpackBits(got.bits, N);
  checks.equal(`${at} N`, got.total, N);
  checks.equal(`${at} threshold`, thresholdHex(got.threshold), thresholdHex(floatsOfHex(want.threshold_hex)[0]!));
  checks.equal(`${at} kept`, got.kept, want.kept ?? want.kept_per_bn.reduce((a, b) => a + b, 0));
  if (want.mask_sha256 !== undefined) checks.equal(`${at} sha256`, sha256(bits), want.mask_sha256);
  if (want.mask_hex !== undefined) checks.equal(`${at} packed bits`, hexOfBytes(got.bits), want.mask_hex);
  if (want.mask !== undefined) checks.equal(`${at} mask`, bits, want.mask);
}

/** The bits of a NaN are not part of the promise. */
const thresholdHex = (value: number): string => (Number.isNaN(value) ? 'NaN' : hexOfFloat(value));

/** A VGG whose BN layers have exactly these sizes and gammas, to put vectors of our own through the native mask. */
async function explicitGammas(context: Context, sizes: number[], values: Float32Array): Promise<NativeModel> {
  const cfg: (number | 'M')[] = [...sizes, 'M', 'M', 'M', 'M'];
  const model = await context.create({ arch: 'vgg', depth: 16, dataset: 'cifar10' }, cfg);
  const state = await model.stateDict();
  let start = 0;
  for (const { key, channels } of model.describe().batchNorms) {
    state.set(`${key}.weight`, floatTensor(values.slice(start, start + channels), [channels]));
    start += channels;
  }
  await model.loadStateDict(state);
  return model;
}

/** Checks the threshold's index: with gammas 1, 2, .. N the threshold is index + 1, and N - index - 1 channels stay. */
async function checkIndexes(context: Context, N: number, index: Record<string, number>): Promise<string> {
  const ratios = Object.keys(index).map(Number);
  const ascending = Float32Array.from({ length: N }, (_, i) => i + 1);
  const model = await explicitGammas(context, [N], ascending);
  const results = await model.masks(ratios);
  model.dispose();
  const checks = new Checks();
  for (const [i, [p, expected]] of Object.entries(index).entries()) {
    for (const { threshold, kept } of [results[i]!, maskFromGammas(ascending, Number(p))]) {
      checks.equal(`p = ${p} index`, threshold - 1, expected);
      checks.equal(`p = ${p} kept`, kept, N - expected - 1);
    }
  }
  return checks.done();
}

async function checkDistances(
  context: Context,
  model: NativeModel,
  gamma: string,
  N: number,
  expected: DistanceJson[],
): Promise<string> {
  const ratios = [...new Set(expected.map(({ p }) => p))];
  const bySeed = new Map<string, () => Promise<MaskResult[]>>();
  const masksOf = async (seed: Seed, p: number): Promise<Uint8Array> => {
    const make = async () => {
      await regamma(model, seed, gamma);
      return model.masks(ratios);
    };
    const key = String(seed);
    if (!bySeed.has(key)) bySeed.set(key, lazy(make));
    return (await bySeed.get(key)!())[ratios.indexOf(p)]!.bits;
  };
  const checks = new Checks();
  for (const { p, seed_a, seed_b, equal_bits, distance } of expected) {
    const at = `p = ${p}, seeds ${seed_a} and ${seed_b}`;
    const pair = [await masksOf(seed_a, p), await masksOf(seed_b, p)];
    const overlap = context.addon.maskOverlap(Uint8Array.from(Buffer.concat(pair)), 2, N);
    checks.equal(`${at} overlap`, overlap, [1, equal_bits / N, equal_bits / N, 1]);
    checks.equal(`${at} distance`, maskDistance(pair[0]!, pair[1]!, N), distance);
  }
  return checks.done();
}
