/** Which runs `bench energy` is made of, where they lie, and the recipe of each. Pure. */
import { join } from 'node:path';
import type { EnergyMethod } from '../recipe/cost';
import { identityOf } from '../recipe/identity';
import { FULL_PRECISION, PRECISION_KEYS } from '../recipe/precision';
import { type BenchEnergyRecipe, entriesFor, parseRecipe } from '../recipe/recipe';
import { ratioKey } from '../run/names';

/** A line of results: a method at one ratio (null: dense) and seed. */
export interface EnergyRow {
  method: EnergyMethod;
  ratio: number | null;
  seed: number;
  /** Of this row alone. Network slimming and lottery tickets begin with the dense training of their seed, which is counted in each. */
  folder: string;
}

interface MethodInfo {
  label: string;
  /** How the ticket comes about: none, from the whole dense training of the seed, or by EB Train. */
  kind: 'dense' | 'after-dense' | 'early-bird';
  /** Number formats of the first and of the second training. */
  low: { search: boolean; retrain: boolean };
}

const full = { search: false, retrain: false };

export const METHODS: Record<EnergyMethod, MethodInfo> = {
  dense: { label: 'Dense', kind: 'dense', low: full },
  lt: { label: 'LT one-shot', kind: 'after-dense', low: full },
  ns: { label: 'Network slimming', kind: 'after-dense', low: full },
  'eb-reinit': { label: 'EB Train re-init', kind: 'early-bird', low: full },
  'eb-ff': { label: 'EB Train FF', kind: 'early-bird', low: full },
  'eb-lf': { label: 'EB Train LF', kind: 'early-bird', low: { search: true, retrain: false } },
  'eb-ll': { label: 'EB Train LL', kind: 'early-bird', low: { search: true, retrain: true } },
};

export const denseFolder = (save: string, seed: number) => join(save, 'dense', `seed-${seed}`);
export const folderOf = (save: string, method: EnergyMethod, ratio: number | null, seed: number) =>
  ratio === null ? denseFolder(save, seed) : join(save, method, `p${ratioKey(ratio)}-seed-${seed}`);

export const nameOf = ({ method, ratio, seed }: EnergyRow) =>
  `${METHODS[method].label}${ratio === null ? '' : `, p = ${ratio}`}, seed ${seed}`;

/** Seed after seed, so that an interrupted comparison has whole tables of the first ones. */
export function rowsOf({ save, methods, ratios, seeds }: BenchEnergyRecipe): EnergyRow[] {
  return seeds.flatMap((seed) =>
    methods.flatMap((method) =>
      (METHODS[method].kind === 'dense' ? [null] : ratios).map((ratio) => ({
        method,
        ratio,
        seed,
        folder: folderOf(save, method, ratio, seed),
      })),
    ),
  );
}

/** Said for every run, whatever the recipe of the comparison. */
const OWN_KEYS = ['save', 'ratios', 'cfg', 'arch', 'depth', 'dataset', 'data', 'testBatchSize', ...PRECISION_KEYS];

export function denseRecipe(recipe: BenchEnergyRecipe, seed: number) {
  const common = entriesFor('retrain', recipe, PRECISION_KEYS);
  return parseRecipe('retrain', { ...common, save: denseFolder(recipe.save, seed), seed, report: false });
}

/** Lottery ticket and network slimming: the mask of the trained dense network; the first goes back to its initial weights. */
export function cutRecipe(recipe: BenchEnergyRecipe, { method, ratio, seed, folder }: EnergyRow) {
  const dense = denseFolder(recipe.save, seed);
  return parseRecipe('prune', {
    ...entriesFor('prune', recipe, OWN_KEYS),
    save: join(folder, 'pruned'),
    model: join(dense, 'checkpoint.pth.tar'),
    init: method === 'lt' ? join(dense, 'init.pth.tar') : undefined,
    percent: ratio,
    seed,
    measure: false,
  });
}

/** Both train the ticket for all epochs. The network is what the ticket says. */
export function ticketRecipe(recipe: BenchEnergyRecipe, { seed, folder }: EnergyRow, ticket: string) {
  return parseRecipe('retrain', {
    ...entriesFor('retrain', recipe, ['cfg', 'arch', 'depth', ...PRECISION_KEYS]),
    ...FULL_PRECISION,
    save: join(folder, 'retrain'),
    scratch: ticket,
    startEpoch: 0,
    seed,
    report: false,
  });
}

/** What makes such a row what it is; the training itself is guarded by the folder it is in. */
export function cutIdentity(recipe: BenchEnergyRecipe, row: EnergyRow): Record<string, unknown> {
  const { model, init, ...identity } = identityOf('prune', cutRecipe(recipe, row));
  return { method: row.method, ...identity };
}

/** What the folder of a row must hold. */
export function identityOfRow(recipe: BenchEnergyRecipe, row: EnergyRow): Record<string, unknown> {
  const { kind } = METHODS[row.method];
  if (kind === 'dense') return identityOf('retrain', denseRecipe(recipe, row.seed));
  return kind === 'after-dense' ? cutIdentity(recipe, row) : identityOf('train', earlyBirdRecipe(recipe, row));
}

/** EB Train of any kind. */
export function earlyBirdRecipe(recipe: BenchEnergyRecipe, { method, ratio, seed, folder }: EnergyRow) {
  const { low } = METHODS[method];
  return parseRecipe('train', {
    ...entriesFor('train', recipe, ['ratios', ...(low.search ? [] : PRECISION_KEYS)]),
    save: folder,
    percent: ratio,
    seed,
    variant: low.retrain ? 'll' : low.search ? 'lf' : 'ff',
    fromScratch: method === 'eb-reinit',
    report: false,
    measure: false,
  });
}
