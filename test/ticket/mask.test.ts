import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { maskDistance, maskFromGammas, overlapMatrix } from '../../src/ticket/mask';
import { gammas } from '../parity/lib/random';
import { describeGolden, golden, goldenFolder } from '../support/golden';

interface GoldenMask {
  p: number;
  index: number;
  threshold_hex: string;
  kept: number;
  mask_sha256: string;
}
interface Case {
  seed: number;
  gamma: string;
  N: number;
  bn_sizes: number[];
  masks: GoldenMask[];
}
interface Masks {
  cases: Record<string, Case>;
  tie_cases: (Omit<Case, 'N' | 'bn_sizes'> & { model: string })[];
  tiny_cases: {
    case: string;
    sizes: number[];
    gamma_hex: string;
    masks: { p: number; threshold_hex: string; mask: number[] }[];
  }[];
  threshold_index: { N: number; index: Record<string, number> }[];
  distances: Record<string, { p: number; seed_a: number; seed_b: number; distance: number }[]>;
}
interface Layouts {
  models: Record<string, { tensors: string[] }>;
}

const toHex = (value: number) => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint32(0).toString(16).padStart(8, '0');
};
const unpack = (bits: Uint8Array, count: number) =>
  Uint8Array.from({ length: count }, (_, i) => (bits[i >> 3]! >> (7 - (i & 7))) & 1);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describeGolden('masks against the release', () => {
  const data = golden<Masks>('masks.json');
  const layouts = golden<Layouts>('layouts.json');

  /** Gammas of a whole model in traversal order; ordinals are those of its state dict. */
  function modelGammas(model: string, mode: string, seed: number): Float32Array {
    const layers = layouts.models[model]!.tensors.map((row) => row.split(';')).filter(
      ([, , kind]) => kind === 'bn_weight',
    );
    const parts = layers.map(([, size, , , ordinal]) => gammas(Number(size), seed, Number(ordinal), mode));
    return Float32Array.from(parts.flatMap((part) => [...part]));
  }

  function check(values: Float32Array, { p, threshold_hex, kept, mask_sha256 }: GoldenMask) {
    const mask = maskFromGammas(values, p);
    expect(toHex(mask.threshold)).toBe(threshold_hex);
    expect(mask.kept).toBe(kept);
    expect(sha256(unpack(mask.bits, mask.total))).toBe(mask_sha256);
  }

  const withLayout = Object.entries(data.cases).filter(([model]) => layouts.models[model]);

  test.each(withLayout)('%s', (model, { seed, gamma, N, masks }) => {
    const values = modelGammas(model, gamma, seed);
    expect(values.length).toBe(N);
    for (const mask of masks) check(values, mask);
  });

  test.each(data.tie_cases.map((one) => [one.model, one.gamma, one] as const))(
    'ties: %s, gammas %s',
    (model, gamma, { seed, masks }) => {
      const values = modelGammas(model, gamma, seed);
      for (const mask of masks) check(values, mask);
    },
  );

  test.each(data.tiny_cases.map((one) => [one.case, one] as const))('tiny: %s', (_name, { gamma_hex, masks }) => {
    const view = new DataView(new Uint8Array(Buffer.from(gamma_hex, 'hex')).buffer);
    const values = Float32Array.from({ length: gamma_hex.length / 8 }, (_, i) => view.getFloat32(4 * i));
    for (const { p, threshold_hex, mask } of masks) {
      const made = maskFromGammas(values, p);
      expect([...unpack(made.bits, made.total)]).toEqual(mask);
      expect(toHex(made.threshold)).toBe(threshold_hex);
    }
  });

  test('the index of the threshold is truncated as the release does', () => {
    for (const { N, index } of data.threshold_index) {
      for (const [p, expected] of Object.entries(index)) {
        expect([
          N,
          p,
          maskFromGammas(
            Float32Array.from({ length: N }, (_, i) => i),
            Number(p),
          ).threshold,
        ]).toEqual([N, p, expected]);
      }
    }
  });

  test('distances between seeds', () => {
    for (const [model, list] of Object.entries(data.distances).filter(([name]) =>
      /^(vgg16|preresnet20)_cifar10$/.test(name),
    )) {
      for (const { p, seed_a, seed_b, distance } of list.slice(0, 3)) {
        const [a, b] = [seed_a, seed_b].map((seed) => maskFromGammas(modelGammas(model, 'u', seed), p));
        expect(maskDistance(a!.bits, b!.bits, a!.total)).toBe(distance);
      }
    }
  });

  test('overlap matrices of the release script', () => {
    const { checkpoints, matrices } = golden<{ checkpoints: number; matrices: Record<string, number[][]> }>(
      'overlap.json',
    );
    const file = readFileSync(join(goldenFolder, 'overlap', 'gammas.npy'));
    const start = 10 + file.readUInt16LE(8);
    const flat = new Float32Array(new Uint8Array(file.subarray(start)).buffer);
    const width = flat.length / checkpoints;
    for (const [p, matrix] of Object.entries(matrices)) {
      const masks = Array.from(
        { length: checkpoints },
        (_, e) => maskFromGammas(flat.slice(e * width, (e + 1) * width), Number(p)).bits,
      );
      expect([...overlapMatrix(masks, width)]).toEqual(matrix.flat());
    }
  });
});
