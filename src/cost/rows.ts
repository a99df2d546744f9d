/** The runs of `bench energy`: their folders and recipes. */
import { join } from 'node:path';
import type { EnergyMethod } from '../recipe/cost';
import { identityOf } from '../recipe/identity';
import { FULL_PRECISION, PRECISION_KEYS } from '../recipe/precision';
import { type BenchEnergyRecipe, entriesFor, parseRecipe } from '../recipe/recipe';
import { ratioKey } from '../run/names';

/** A method at one ratio (null: dense) and seed. */
export interface EnergyRow {
  method: EnergyMethod;
  ratio: number | null;
  seed: number;
  /** The dense training that lottery tickets and network slimming begin with has a folder of its own. */
  folder: string;
}

interface MethodInfo {
  label: string;
  /** How the ticket is made: not at all, from the finished dense or soft training, or by EB Train. */
  kind: 'dense' | 'after-dense' | 'after-soft' | 'early-bird';
  /** Whether the first and the second training are in low precision. */
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
  sfp: { label: 'SFP', kind: 'after-soft', low: full },
};

/** A training of a row: of the dense network (ratio null) or of the ticket. */
export interface StageKind {
  name: 'dense' | 'soft' | 'search' | 'retrain';
  ratio: number | null;
  low: boolean;
}

const FIRST = { dense: 'dense', 'after-dense': 'dense', 'after-soft': 'soft', 'early-bird': 'search' } as const;

export function stagesOf({ method, ratio }: EnergyRow): [StageKind, StageKind?] {
  const { kind, low } = METHODS[method];
  const first: StageKind = { name: FIRST[kind], ratio: null, low: low.search };
  return kind === 'dense' ? [first] : [first, { name: 'retrain', ratio, low: low.retrain }];
}

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

/** Options that every run has of its own, whatever the recipe of the comparison. */
const OWN_KEYS = ['save', 'ratios', 'cfg', 'arch', 'depth', 'dataset', 'data', 'testBatchSize', ...PRECISION_KEYS];

export function denseRecipe(recipe: BenchEnergyRecipe, seed: number) {
  const common = entriesFor('retrain', recipe, PRECISION_KEYS);
  return parseRecipe('retrain', { ...common, save: denseFolder(recipe.save, seed), seed, report: false });
}

/** Soft filter pruning (He et al., IJCAI 2018): the dense training in which the smallest filters become 0 after each epoch. */
export function softRecipe(recipe: BenchEnergyRecipe, { ratio, seed, folder }: EnergyRow) {
  const dense = denseRecipe(recipe, seed);
  return parseRecipe('retrain', { ...dense, save: join(folder, 'soft'), softPrune: ratio });
}

/** Cuts by the mask of the trained dense network; a lottery ticket goes back to the initial weights. */
export function cutRecipe(recipe: BenchEnergyRecipe, row: EnergyRow) {
  const { method, ratio, seed, folder } = row;
  const dense = denseFolder(recipe.save, seed);
  const isSoft = METHODS[method].kind === 'after-soft';
  return parseRecipe('prune', {
    ...entriesFor('prune', recipe, OWN_KEYS),
    ...(isSoft ? { criterion: 'l2', uniform: true, protective: false } : {}),
    save: join(folder, 'pruned'),
    model: join(isSoft ? join(folder, 'soft') : dense, 'checkpoint.pth.tar'),
    init: method === 'lt' ? join(dense, 'init.pth.tar') : undefined,
    percent: ratio,
    seed,
    measure: false,
  });
}

/** Trains the ticket, which holds the network's widths, for all epochs. */
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

/** The identity of a row that cuts a ticket; its training has an identity of its own. */
export function cutIdentity(recipe: BenchEnergyRecipe, row: EnergyRow): Record<string, unknown> {
  const { model, init, ...identity } = identityOf('prune', cutRecipe(recipe, row));
  return { method: row.method, ...identity };
}

/** The identity that the folder of a row must have. */
export function identityOfRow(recipe: BenchEnergyRecipe, row: EnergyRow): Record<string, unknown> {
  const { kind } = METHODS[row.method];
  if (kind === 'dense') return identityOf('retrain', denseRecipe(recipe, row.seed));
  return kind === 'early-bird' ? identityOf('train', earlyBirdRecipe(recipe, row)) : cutIdentity(recipe, row);
}

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
