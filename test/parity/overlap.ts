import { readNpy } from '../../src/checkpoint/npy';
import { numbersOf } from '../../src/checkpoint/value';
import { maskFromGammas, overlapMatrix } from '../../src/ticket/mask';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { floatsOf } from './lib/tensors';

interface OverlapJson {
  gammas_file: string;
  matrices: Record<string, number[][]>;
}

/** The matrix of mask overlaps between checkpoints, native and in TypeScript, against the reference's .npy: exact. */
export function* cases(context: Context): Iterable<Case> {
  const { reference } = context;
  const { gammas_file, matrices } = reference.json<OverlapJson>('overlap.json');
  for (const [p, matrix] of Object.entries(matrices)) {
    yield {
      name: `overlap p = ${p}`,
      run: async () => {
        const gammas = await readNpy(reference.path(gammas_file.split(' ')[0]!));
        const [count, total] = gammas.shape as [number, number];
        const values = floatsOf(gammas);
        const masks = Array.from({ length: count }, (_, row) => {
          return maskFromGammas(values.slice(row * total, (row + 1) * total), Number(p)).bits;
        });
        const checks = new Checks();
        const native = context.addon.maskOverlap(Uint8Array.from(Buffer.concat(masks)), count, total);
        checks.equal('native matrix', native, matrix.flat());
        checks.equal('TypeScript matrix', overlapMatrix(masks, total), matrix.flat());
        const file = `overlap/overlap_${p}.npy`;
        if (reference.has(file)) {
          const saved = await readNpy(reference.path(file));
          checks.equal(`${file} type`, saved.dtype, 'float64');
          checks.equal(`${file} shape`, saved.shape, [count, count]);
          checks.equal(file, native, numbersOf(saved));
        }
        return checks.done();
      },
    };
  }
}
