/** Comparisons of methods without training: folders with the files that rows are read from. */
import { join } from 'node:path';
import { readRow } from '../../src/cost/row-results';
import { folderOf, rowsOf } from '../../src/cost/rows';
import { benchOf } from '../../src/cost/summary';
import type { EnergyMethod } from '../../src/recipe/cost';
import { parseRecipe } from '../../src/recipe/recipe';
import { temporaryFolder } from '../cli/tiny';
import { type FakeRun, fakeEarlyBird, fakeRun, fakeTicket } from '../support/energy-folders';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

export const EPOCHS = 10;
let count = 0;

/** A comparison of dense, ns and eb-ff at p = 0.3, each with the runs that it has on disk for each seed. */
export function comparison(more: object = {}) {
  const save = join(temporary.path, String(count++));
  const recipe = parseRecipe('benchEnergy', {
    save,
    epochs: EPOCHS,
    methods: ['dense', 'ns', 'eb-ff'],
    ratios: [0.3],
    seeds: [1, 2],
    ...more,
  });
  const at = (method: EnergyMethod, seed: number) => folderOf(save, method, method === 'dense' ? null : 0.3, seed);
  const read = () => Promise.all(rowsOf(recipe).map((row) => readRow(save, row)));
  return { save, recipe, at, read, bench: async () => benchOf(recipe, await read())! };
}

/** Both seeds of everything; seed s reaches 60 + 2s, and the dense training takes 100 + 20s joules. */
export function whole({ at }: ReturnType<typeof comparison>, changes: { dense?: Partial<FakeRun> } = {}) {
  for (const seed of [1, 2]) {
    const common = { top1: 60 + 2 * seed, epochs: EPOCHS };
    fakeRun(at('dense', seed), 'retrain', { ...common, forward: 2e9, joules: 100 + 20 * seed, ...changes.dense });
    fakeTicket(at('ns', seed), { ...common, forward: 1e9, joules: 60 });
    fakeEarlyBird(
      at('eb-ff', seed),
      { epochs: 2, forward: 2e9, joules: 20 },
      { ...common, epochs: 8, forward: 1e9, joules: 45 },
    );
  }
}

export const groupOf = (bench: NonNullable<ReturnType<typeof benchOf>>, method: EnergyMethod) =>
  bench.groups.find((group) => group.method === method)!;
