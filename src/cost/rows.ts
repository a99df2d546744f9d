/** The runs of `bench energy`: their folders and recipes. */
import { join } from 'node:path';
import type { EnergyMethod } from '../recipe/cost';
import { needsImages } from '../recipe/fields/ranking';
import { identityOf } from '../recipe/identity';
import { FULL_PRECISION, PRECISION_KEYS } from '../recipe/precision';
import { type BenchEnergyRecipe, entriesFor, type PruneRecipe, parseRecipe } from '../recipe/recipe';
import { ratioKey } from '../run/names';

/** A method at one ratio (null: dense) and seed. */
export interface EnergyRow {
  method: EnergyMethod;
  ratio: number | null;
  seed: number;
  /**
   * Folder of the row. The dense training that lottery tickets and network slimming begin with has a folder of its own.
   */
  folder: string;
}

/** A ticket that is cut out of a network once. */
interface Cut {
  /** Network that the mask is drawn of: the end of a dense or a soft training, or the dense network before training. */
  of: 'dense' | 'soft' | 'init';
  /** True where the ticket gets the initial weights back. */
  rewind?: boolean;
  /** Options by which the mask is drawn, where not by the thresholds of the recipe. */
  drawing?: Pick<PruneRecipe, 'criterion'> & Partial<Pick<PruneRecipe, 'uniform' | 'protective'>>;
}

interface MethodInfo {
  label: string;
  /** Cut of the ticket; a row with neither cut nor search is dense training. */
  cut?: Cut;
  /** Stages of EB Train, each true where it is in low precision. */
  earlyBird?: { search: boolean; retrain: boolean };
}

const layerByLayer = { uniform: true, protective: false };

export const METHODS: Record<EnergyMethod, MethodInfo> = {
  dense: { label: 'Dense' },
  lt: { label: 'LT one-shot', cut: { of: 'dense', rewind: true } },
  ns: { label: 'Network slimming', cut: { of: 'dense' } },
  'eb-reinit': { label: 'EB Train re-init', earlyBird: { search: false, retrain: false } },
  'eb-ff': { label: 'EB Train FF', earlyBird: { search: false, retrain: false } },
  'eb-lf': { label: 'EB Train LF', earlyBird: { search: true, retrain: false } },
  'eb-ll': { label: 'EB Train LL', earlyBird: { search: true, retrain: true } },
  sfp: { label: 'SFP', cut: { of: 'soft', drawing: { criterion: 'l2', ...layerByLayer } } },
  snip: { label: 'SNIP', cut: { of: 'init', drawing: { criterion: 'snip' } } },
  thinet: { label: 'ThiNet', cut: { of: 'dense', drawing: { criterion: 'thinet', ...layerByLayer } } },
};

/** A training of a row: of the dense network (ratio null) or of the ticket. */
export interface StageKind {
  name: 'dense' | 'soft' | 'search' | 'retrain';
  ratio: number | null;
  low: boolean;
}

/** The trainings that a row pays for, in order. */
export function stagesOf({ method, ratio }: EnergyRow): StageKind[] {
  const { cut, earlyBird } = METHODS[method];
  const retraining: StageKind = { name: 'retrain', ratio, low: earlyBird?.retrain ?? false };
  if (earlyBird) return [{ name: 'search', ratio: null, low: earlyBird.search }, retraining];
  if (cut?.of === 'init') return [retraining];
  const first: StageKind = { name: cut?.of ?? 'dense', ratio: null, low: false };
  return cut ? [first, retraining] : [first];
}

export const denseFolder = (save: string, seed: number) => join(save, 'dense', `seed-${seed}`);
export const folderOf = (save: string, method: EnergyMethod, ratio: number | null, seed: number) =>
  ratio === null ? denseFolder(save, seed) : join(save, method, `p${ratioKey(ratio)}-seed-${seed}`);

export const labelOf = ({ method, ratio }: Pick<EnergyRow, 'method' | 'ratio'>) =>
  `${METHODS[method].label}${ratio === null ? '' : `, p = ${ratio}`}`;

export const nameOf = (row: EnergyRow) => `${labelOf(row)}, seed ${row.seed}`;

/** Rows seed by seed, so that an interrupted comparison has complete tables of the first seeds. */
export function rowsOf({ save, methods, ratios, seeds }: BenchEnergyRecipe): EnergyRow[] {
  return seeds.flatMap((seed) =>
    methods.flatMap((method) =>
      (method === 'dense' ? [null] : ratios).map((ratio) => ({
        method,
        ratio,
        seed,
        folder: folderOf(save, method, ratio, seed),
      })),
    ),
  );
}

/** Options that every run sets for itself, whatever the recipe of the comparison. */
const OWN_KEYS = ['save', 'ratios', 'cfg', 'arch', 'depth', 'dataset', 'data', 'testBatchSize', ...PRECISION_KEYS];

export function denseRecipe(recipe: BenchEnergyRecipe, seed: number) {
  const common = entriesFor('retrain', recipe, PRECISION_KEYS);
  return parseRecipe('retrain', { ...common, save: denseFolder(recipe.save, seed), seed, report: false });
}

/**
 * Recipe of soft filter pruning (He et al., IJCAI 2018): the dense training in which the smallest filters become 0
 * after each epoch.
 */
export function softRecipe(recipe: BenchEnergyRecipe, { ratio, seed, folder }: EnergyRow) {
  const dense = denseRecipe(recipe, seed);
  return parseRecipe('retrain', { ...dense, save: join(folder, 'soft'), softPrune: ratio });
}

/** The folder of the training that a ticket is cut out of. */
export const cutFolder = (save: string, { method, seed, folder }: EnergyRow) =>
  METHODS[method].cut?.of === 'soft' ? join(folder, 'soft') : denseFolder(save, seed);

export function cutRecipe(recipe: BenchEnergyRecipe, row: EnergyRow) {
  const { method, ratio, seed, folder } = row;
  const { of, rewind, drawing } = METHODS[method].cut!;
  const from = cutFolder(recipe.save, row);
  const { dataset, data } = recipe;
  return parseRecipe('prune', {
    ...entriesFor('prune', recipe, OWN_KEYS),
    ...drawing,
    ...(drawing && needsImages(drawing.criterion) ? { dataset, data } : {}),
    save: join(folder, 'pruned'),
    model: join(from, of === 'init' ? 'init.pth.tar' : 'checkpoint.pth.tar'),
    init: rewind ? join(from, 'init.pth.tar') : undefined,
    percent: ratio,
    seed,
    measure: false,
  });
}

/** Recipe that trains the ticket, whose file holds the network's widths, for all epochs. */
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
  const { cut, earlyBird } = METHODS[row.method];
  if (earlyBird) return identityOf('train', earlyBirdRecipe(recipe, row));
  return cut ? cutIdentity(recipe, row) : identityOf('retrain', denseRecipe(recipe, row.seed));
}

export function earlyBirdRecipe(recipe: BenchEnergyRecipe, { method, ratio, seed, folder }: EnergyRow) {
  const low = METHODS[method].earlyBird!;
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
