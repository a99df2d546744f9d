/** States in words the conclusions that the intervals of a study allow. */
import { machineLine } from '../cost/same-machine';
import { spread } from '../measure';
import type { StudyRecipe } from '../recipe/recipe';
import { formatSigned } from '../report/format';
import { epochsText, ratioKey } from '../run/names';
import { CONFIDENCE } from '../student-t';
import type { StudyGroup } from './groups';
import type { Parts, RunFigures, SearchRecord } from './record';
import { type Difference, estimate } from './statistics';

interface Facts extends Parts {
  recipe: StudyRecipe;
  dataset: SearchRecord['dataset'];
  groups: StudyGroup[];
}

const PERCENT = Math.round(100 * CONFIDENCE);
const points = (value: number) => `${Math.abs(value).toFixed(2)} points`;

const OUTCOMES = ['equivalent', 'below', 'above', 'not to be told', 'no better than chance'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** Outcome of a comparison. Equivalence comes first, as a difference within the margin may be certain all the same. */
function outcomeOf({ low, high, equivalence }: Difference): Exclude<Outcome, 'no better than chance'> {
  if (low === null || high === null || !equivalence) return 'not to be told';
  if (equivalence.equivalent) return 'equivalent';
  return high < 0 ? 'below' : low > 0 ? 'above' : 'not to be told';
}

/** Describes one comparison in words. */
function relation(found: Difference, a: string, b: string): string {
  const { n, mean, low, high, equivalence } = found;
  if (low === null || high === null || !equivalence)
    return `cannot tell with one seed whether ${a} differs from ${b} (it is ${points(mean)} ${mean < 0 ? 'below' : 'above'})`;
  const interval = `${PERCENT} % interval ${formatSigned(low)} to ${formatSigned(high)}, n = ${n}`;
  const where = `${points(mean)} ${mean < 0 ? 'below' : 'above'} ${b}`;
  const { margin } = equivalence;
  const texts: Record<Exclude<Outcome, 'no better than chance'>, string> = {
    equivalent: `${a} is equivalent to ${b} within ${margin} points${low > 0 || high < 0 ? `, though ${where}` : ''} (${interval})`,
    below: `${a} is ${where} (${interval})`,
    above: `${a} is ${where} (${interval})`,
    'not to be told': `cannot tell with ${seedsText(n)} whether ${a} differs from ${b} (${interval}, not within the margin of ${margin})`,
  };
  return texts[outcomeOf(found)];
}

/** Groups rows by their outcomes: "equivalent: 4, 8; below: 0"; empty without one. */
function outcomesText(rows: readonly { name: string; group: StudyGroup; over: Difference | null }[]): string {
  const found = rows.flatMap(({ name, group, over }): { name: string; outcome: Outcome }[] =>
    over ? [{ name, outcome: onlyGuesses(group) ? 'no better than chance' : outcomeOf(over) }] : [],
  );
  const parts = OUTCOMES.flatMap((outcome) => {
    const names = found.flatMap((one) => (one.outcome === outcome ? one.name : []));
    return names.length > 0 ? [`${outcome}: ${names.join(', ')}`] : [];
  });
  return parts.join('; ');
}

/** True where all runs are no better than chance, as a comparison would call such runs equivalent. */
const onlyGuesses = ({ n, collapsed }: StudyGroup) => n > 0 && collapsed === n;

const seedsText = (count: number) => `${count} ${count === 1 ? 'seed' : 'seeds'}`;
const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

export function verdictsOf(facts: Facts): string[] {
  const { recipe } = facts;
  return recipe.ratios.flatMap((ratio) => {
    const own = facts.groups.filter((group) => group.ratio === ratio);
    const say = (texts: string[]) => texts.map((text) => `p = ${ratio}: ${sentence(text)}`);
    return say([...emergenceVerdicts(ratio, facts), ...summaries(own), ...drawVerdicts(own), ...controlVerdicts(own)]);
  });
}

/**
 * Tells when the tickets emerged, how much chance moves that, and how far the plateau of the distance lies from the
 * threshold.
 */
function emergenceVerdicts(ratio: number, { recipe, searches }: Facts): string[] {
  const key = ratioKey(ratio);
  const of = searches.flatMap(({ ratios }) => ratios[key] ?? []);
  if (of.length === 0) return [];
  const found = of.flatMap(({ emergence }) => emergence ?? []).sort((a, b) => a - b);
  const distances = of.map((one) => one.distances);
  return [whenText(found, of.length, recipe.epochs), ...plateauVerdict(distances, recipe.detectorThreshold)];
}

/** Describes the epochs of emergence. `found`: epochs in rising order. */
function whenText(found: readonly number[], of: number, epochs: number): string {
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined)
    return `no ticket emerged within ${epochsText(epochs)} with any of ${seedsText(of)}`;
  const after = found.length > 1 ? `${found.join(', ')} epochs` : epochsText(first);
  const apart = last > first ? `, ${epochsText(last - first)} apart` : '';
  const none = of > found.length ? `; ${seedsText(of - found.length)} found none` : '';
  return `the ticket emerged after ${after} (${found.length} of ${seedsText(of)}${apart})${none}`;
}

/** Share of the epochs, counted from the end, in which the distance is taken as settled. */
const SETTLED = 0.25;

/** Median of the deciding distance over the last quarter of the epochs; null where there are too few. */
export function plateauOf(distances: readonly (number | null)[]): number | null {
  const last = distances.slice(-Math.max(1, Math.round(SETTLED * distances.length)));
  return spread(last.filter((distance) => distance !== null))?.median ?? null;
}

function plateauVerdict(curves: readonly (readonly (number | null)[])[], threshold: number): string[] {
  const plateaus = curves.map(plateauOf).filter((plateau) => plateau !== null);
  const known = estimate(plateaus);
  if (!known) return [];
  const { mean } = known;
  const [low, high] = [Math.min(...plateaus), Math.max(...plateaus)];
  const range = plateaus.length > 1 ? ` (${low.toFixed(3)} to ${high.toFixed(3)})` : '';
  const far = Math.abs(mean - threshold);
  const where = `the largest distance of the window settles at ${mean.toFixed(3)}${range}, ${far.toFixed(3)} ${
    mean > threshold ? 'above' : 'below'
  } the threshold of ${threshold}`;
  // The seeds lie on both sides of the threshold, or nearer to it than their spread.
  const near = (low <= threshold && threshold <= high) || far < high - low;
  return [near ? `${where}: chance decides whether and when a ticket emerges` : where];
}

/** One line for all draws, and one for the controls of each draw. */
function summaries(groups: readonly StudyGroup[]): string[] {
  const tickets = groups.filter(({ control, epoch }) => control === null && epoch !== null);
  const inOrder = tickets.sort((a, b) => a.epoch!.mean - b.epoch!.mean);
  const draws = outcomesText(inOrder.map((group) => ({ name: group.draw, group, over: group.overEmergence })));
  const controlled = [...new Set(groups.flatMap(({ control, draw }) => (control === null ? [] : draw)))];
  const controls = controlled.flatMap((draw) => {
    const own = groups.filter((group) => group.draw === draw && group.control !== null);
    const text = outcomesText(own.map((group) => ({ name: group.control!, group, over: group.overTicket })));
    return text === '' ? [] : [`controls over the ticket at ${draw}: ${text}`];
  });
  return [...(draws === '' ? [] : [`draws over that at emergence: ${draws}`]), ...controls];
}

/** Compares the emergence draw with the end, epoch 0 and the best checkpoint. */
function drawVerdicts(groups: readonly StudyGroup[]): string[] {
  const other = (draw: string) => groups.find((group) => group.draw === draw && group.control === null);
  const names: [string, string][] = [
    ['last', 'the ticket drawn at the end'],
    ['0', 'the ticket drawn before training'],
    ['best', 'the ticket of the best checkpoint'],
  ];
  return names.flatMap(([draw, name]) => {
    const group = other(draw);
    if (!group) return [];
    const { overEmergence } = group;
    const guess = guessing(group, name);
    if (guess) return [guess];
    return overEmergence
      ? [relation(overEmergence, name, 'the ticket at emergence')]
      : [`${name} is not compared: no seed has it and a ticket at emergence`];
  });
}

/** Compares each control with the ticket of its own draw. */
function controlVerdicts(groups: readonly StudyGroup[]): string[] {
  const controls = groups.filter(({ control }) => control !== null);
  return controls.map((group) => {
    const { control, draw, overTicket } = group;
    const name = `the control ${control}`;
    if (!overTicket) return `${name} at ${draw} is not compared: no seed has finished both`;
    return guessing(group, `${name} at ${draw}`) ?? relation(overTicket, name, `the ticket at ${draw}`);
  });
}

const guessing = (group: StudyGroup, name: string) =>
  onlyGuesses(group) ? `${name} is no better than chance with any seed` : null;

export function notesOf({ recipe, dataset, groups, searches, failedSearches, runs, missing }: Facts): string[] {
  const { seeds, margin, epochs } = recipe;
  const failed = runs.filter(({ state }) => state === 'failed');
  const left = runs.filter(({ state }) => state === 'left').length;
  const finished = runs.flatMap(({ result }) => result ?? []);
  const collapsed = finished.filter((result) => result.collapsed).length;
  // At emergence the two differences of a control are the same.
  const compared = groups
    .flatMap(({ draw, overEmergence, overTicket }) => [overEmergence, draw === 'emergence' ? null : overTicket])
    .filter((difference) => difference !== null).length;
  const partial = groups.filter(({ n, of }) => n < of).length;
  return [
    ...(dataset.synthetic ? ['Synthetic dataset: these numbers say nothing about accuracy on real images.'] : []),
    ...(left > 0
      ? [
          `Not complete: ${left} of ${runs.length} runs are left${recipe.shard ? ' with those of other shards, which --merge adds' : '; the same command goes on'}.`,
        ]
      : []),
    `Means with Student's t intervals at ${PERCENT} % over ${seedsText(seeds.length)}; differences are paired by seed. Equivalent: two one-sided t tests at 5 % within ${margin} points.`,
    ...(compared > 1
      ? [
          `${compared} comparisons, not corrected for their number: of 20 without a difference one is expected to show one.`,
        ]
      : []),
    `Equal epochs: every ticket is trained for ${epochsText(epochs)} from the first learning rate on; later draws have seen more epochs in all. Accuracy is exact test top-1 of the last epoch.`,
    'Equal FLOPs: read from the same curve after the last whole epoch by which search and retraining have taken no more FLOPs than the ticket at emergence takes in all (where none emerged, than the cheapest run); a dash where the search alone takes more. Earlier draws take fewer. A later draw is read where its learning rate is still high, and its accuracy there is a lower bound.',
    ...machineNotes(searches, finished),
    ...(partial > 0 ? [`${partial} rows have fewer runs than seeds.`] : []),
    ...(collapsed > 0
      ? [
          `${collapsed} of ${finished.length} finished runs are no better than chance (collapsed in the tables); they count in the means.`,
        ]
      : []),
    ...failedSearches.map(({ seed, failure }) => `Failed: search, seed ${seed}: ${failure}`),
    ...failed.map(
      ({ ratio, draws, control, seed, failure }) =>
        `Failed: p = ${ratio}, ${control ?? 'ticket'} at ${draws.join(', ')}, seed ${seed}: ${failure}`,
    ),
    ...missingNotes(missing),
    ...(searches.length < seeds.length && failedSearches.length === 0
      ? [`${searches.length} of ${seeds.length} searches are finished.`]
      : []),
  ];
}

/** Notes several machines or versions, as their accuracies may be compared but their seconds may not. */
function machineNotes(searches: Facts['searches'], finished: readonly RunFigures[]): string[] {
  const known = [...searches, ...finished].flatMap(({ machine }) => machine ?? []);
  const machines = [...new Set(known.map(machineLine))];
  return machines.length > 1 ? [`Searches and runs of ${machines.length} machines: ${machines.join('; ')}.`] : [];
}

/** Joins the seeds that miss the same draw for the same reason into one note. */
function missingNotes(missing: Facts['missing']): string[] {
  const notes = new Map<string, number[]>();
  for (const { seed, ratio, draw, reason } of missing) {
    const key = `No ticket at ${draw}, p = ${ratio}: ${reason}`;
    notes.set(key, [...(notes.get(key) ?? []), seed]);
  }
  return [...notes].map(([text, list]) => `${text} (${list.length === 1 ? 'seed' : 'seeds'} ${list.join(', ')}).`);
}
