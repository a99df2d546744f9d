/** Lists the runs of a study. */
import { join } from 'node:path';
import { percentOf } from '../recipe/ratio';
import type { StudyRecipe } from '../recipe/recipe';
import type { Control } from '../recipe/study';
import { askedDraws, type Draw, drawsOf, type SearchFacts } from './draws';

/** A ticket, or one of its controls, to be retrained. */
export interface Entry {
  seed: number;
  ratio: number;
  /** Number of epochs of the search before the draw. */
  epoch: number;
  /** Control; null for the ticket itself. */
  control: Control | null;
  /** Names of its draws; there are several where they fall on one epoch. */
  draws: string[];
  folder: string;
}

/** A draw that a search does not have. */
export interface MissingDraw {
  seed: number;
  ratio: number;
  draw: string;
  reason: string;
}

export const searchFolder = (save: string, seed: number) => join(save, `seed-${seed}`, 'search');

/** Key of an entry, and its path: `seed-1/p30/epoch-8/ticket`. */
export const keyOf = ({ seed, ratio, epoch, control }: Pick<Entry, 'seed' | 'ratio' | 'epoch' | 'control'>) =>
  `seed-${seed}/p${percentOf(ratio)}/epoch-${epoch}/${control ?? 'ticket'}`;

export const nameOf = ({
  ratio,
  seed,
  epoch,
  draws,
  control,
}: Pick<Entry, 'ratio' | 'seed' | 'epoch' | 'draws' | 'control'>) =>
  `p = ${ratio}, epoch ${epoch} (${draws.join(', ')}), ${control ?? 'ticket'}, seed ${seed}`;

type Settings = Pick<
  StudyRecipe,
  'save' | 'epochs' | 'schedule' | 'ratios' | 'seeds' | 'draws' | 'controls' | 'controlDraws'
>;

/** The entries of a study and its missing draws. `factsOf`: facts of each search at each ratio. */
export function entriesOf(
  recipe: Settings,
  factsOf: (seed: number, ratio: number) => SearchFacts,
): { entries: Entry[]; missing: MissingDraw[] } {
  const missing: MissingDraw[] = [];
  const entries = recipe.ratios.flatMap((ratio) =>
    recipe.seeds.flatMap((seed) => {
      const facts = factsOf(seed, ratio);
      const draws = drawsOf(askedDraws(recipe), recipe, facts);
      for (const { name, epoch, reason } of draws)
        if (epoch === null) missing.push({ seed, ratio, draw: name, reason: reason! });
      const withControls = new Set(drawsOf(recipe.controlDraws, recipe, facts).map(({ name }) => name));
      return ofSearch(recipe, { seed, ratio }, draws, withControls);
    }),
  );
  return { entries: entries.sort(byTurn(recipe)), missing };
}

function ofSearch(
  { save, epochs, controls }: Settings,
  { seed, ratio }: Pick<Entry, 'seed' | 'ratio'>,
  draws: readonly Draw[],
  withControls: ReadonlySet<string>,
): Entry[] {
  const entry = (epoch: number, control: Control | null, names: string[]): Entry => {
    const own = { seed, ratio, epoch, control };
    return { ...own, draws: names, folder: join(save, keyOf(own)) };
  };
  const byEpoch = new Map<number, string[]>();
  for (const { name, epoch } of draws) if (epoch !== null) byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), name]);
  const chosen = controls.filter((control) => control !== 'none');
  return [...byEpoch].flatMap(([epoch, names]) => {
    const compared = names.filter((name) => withControls.has(name));
    const own = compared.length > 0 ? chosen.filter((control) => !isTicket(control, epoch, epochs)) : [];
    return [entry(epoch, null, names), ...own.map((control) => entry(epoch, control, compared))];
  });
}

/**
 * True for a control that is the ticket itself: initial weights and their mask at epoch 0, the mask of the end after
 * the last epoch.
 */
const isTicket = (control: Control, epoch: number, epochs: number) =>
  (epoch === 0 && (control === 'rewind' || control === 'magnitude-at-init')) ||
  (epoch === epochs && control === 'late');

/**
 * Orders entries so that a row of the tables is done over all seeds before the next row: an interrupted study then has
 * complete rows.
 */
function byTurn({ ratios, controls, seeds }: Settings) {
  const turn = ({ ratio, control, draws, seed }: Entry) => [
    ratios.indexOf(ratio),
    control === null ? -1 : controls.indexOf(control),
    Math.min(...draws.map((name) => FIRST.indexOf(name)).map((at) => (at < 0 ? FIRST.length : at))),
    seeds.indexOf(seed),
  ];
  return (a: Entry, b: Entry) => {
    const [x, y] = [turn(a), turn(b)];
    const at = x.findIndex((value, i) => value !== y[i]);
    return at < 0 ? a.epoch - b.epoch : x[at]! - y[at]!;
  };
}

/** Draws that the verdicts compare, which run first. */
const FIRST = ['emergence', 'last', 'best', '0'];

/** The seeds that a shard works on. */
export function seedsOf({ seeds, shard }: Pick<StudyRecipe, 'seeds' | 'shard'>): number[] {
  // A shard that has no run of its seed, because there are fewer of them than shards, trains its search all the same.
  const [, of = 1] = (shard ?? '1/1').split('/').map(Number);
  const some = seeds.flatMap((seed) => Array.from({ length: of }, () => ({ seed })));
  return [...new Set(shardOf(shard, seeds, some).map(({ seed }) => seed))];
}

/**
 * The entries of --shard, part I of N. Seeds stay together where they can, so that each search is trained on one
 * machine only.
 */
export function shardOf<E extends { seed: number }>(
  shard: string | undefined,
  seeds: readonly number[],
  entries: readonly E[],
): E[] {
  if (shard === undefined) return [...entries];
  const [part, of] = shard.split('/').map(Number) as [number, number];
  // The shards of a seed, numbered from 0. Seeds are dealt out first, then the remaining shards.
  const shardsFor = (seed: number) => {
    const at = seeds.indexOf(seed);
    if (of <= seeds.length) return [at % of];
    return Array.from({ length: of }, (_, i) => i).filter((i) => i % seeds.length === at);
  };
  const turns = new Map<number, number>();
  return entries.filter(({ seed }) => {
    const shards = shardsFor(seed);
    const turn = turns.get(seed) ?? 0;
    turns.set(seed, turn + 1);
    return shards[turn % shards.length] === part - 1;
  });
}
