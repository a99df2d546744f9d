/** A study over its seeds: means, intervals and paired differences of every draw and control. Pure. */
import { networkName } from '../network/names';
import { trainingFlops } from '../network/training-flops';
import { identityOf } from '../recipe/identity';
import type { StudyRecipe } from '../recipe/recipe';
import type { Control } from '../recipe/study';
import { type Curves, curvesOf } from './curves';
import type { MissingDraw } from './plan';
import type { RunFigures, RunRecord, SearchRecord } from './record';
import { type Difference, difference, type Estimate, estimate } from './statistics';
import { notesOf, verdictsOf } from './verdict';

/** The runs of one draw or control at one ratio, over the seeds. */
export interface StudyGroup {
  ratio: number;
  draw: string;
  /** Null: the ticket. */
  control: Control | null;
  /** Finished runs, and seeds. */
  n: number;
  of: number;
  failed: number;
  /** Finished runs that are no better than chance; they count in all means. */
  collapsed: number;
  /** Epochs before the draw. */
  epoch: Estimate | null;
  /** Exact test top-1 after equal epochs of retraining, and at equal total FLOPs, percent. */
  top1: Estimate | null;
  atBudget: Estimate | null;
  /** Shares of the dense network: channels that are kept, and forward FLOPs. */
  kept: Estimate | null;
  forward: Estimate | null;
  /** Training FLOPs of search and retraining over those of dense training. */
  cost: Estimate | null;
  /** Minus the emergence draw, paired by seed; of the emergence draw itself null. */
  overEmergence: Difference | null;
  overEmergenceAtBudget: Difference | null;
  /** Of a control: minus the ticket of its own draw. */
  overTicket: Difference | null;
}

export interface FailedSearch {
  seed: number;
  failure: string;
}

/** The contents of study.json. */
export interface Study {
  version: 1;
  study: true;
  network: string;
  /** What decides the runs: studies of equal ones can be merged, whatever their seeds, ratios, draws and controls are. */
  identity: Record<string, unknown>;
  recipe: StudyRecipe;
  dataset: SearchRecord['dataset'];
  machine: SearchRecord['machine'];
  searches: SearchRecord[];
  failedSearches: FailedSearch[];
  runs: RunRecord[];
  /** Draws that a search does not have. */
  missing: MissingDraw[];
  groups: StudyGroup[];
  dense: { top1: Estimate | null };
  curves: Curves;
  verdicts: string[];
  notes: string[];
}

export interface StudyResult extends Study {
  /** Tables and figures. */
  files: string[];
}

const SELECTION = ['ratios', 'seeds', 'draws', 'controls', 'controlDraws'];

/** What all studies that are merged have in common. */
export const identityOfStudy = (recipe: StudyRecipe): Record<string, unknown> =>
  Object.fromEntries(Object.entries(identityOf('study', recipe)).filter(([key]) => !SELECTION.includes(key)));

/** What a study is made of. */
export type Parts = Pick<Study, 'searches' | 'failedSearches' | 'runs' | 'missing'>;

/** There is at least one search. */
export function summarise(recipe: StudyRecipe, parts: Parts): Study {
  const { arch, depth, cfg } = recipe;
  const { searches } = parts;
  const { dataset, machine } = searches[0]!;
  const groups = groupsOf(recipe, parts);
  const dense = { top1: estimate(searches.flatMap(({ top1Last }) => top1Last ?? [])) };
  const facts = { recipe, dataset, groups, dense, ...parts };
  return {
    version: 1,
    study: true,
    network: networkName(arch, depth!, cfg),
    identity: identityOfStudy(recipe),
    recipe,
    dataset,
    machine,
    ...parts,
    groups,
    dense,
    curves: curvesOf(groups, dense.top1),
    verdicts: verdictsOf(facts),
    notes: notesOf(facts),
  };
}

interface Run extends RunRecord {
  result: RunFigures;
  atBudget: number | null;
}

function groupsOf({ seeds, ratios, margin }: StudyRecipe, { searches, runs }: Parts): StudyGroup[] {
  const budgets = budgetsOf(runs);
  const finished = runs.flatMap((run): Run[] =>
    run.result ? [{ ...run, result: run.result, atBudget: top1Within(run.result, budgets.get(budgetKey(run))!) }] : [],
  );
  const at = (draw: string, control: Control | null, ratio: number) =>
    finished.filter((run) => run.ratio === ratio && run.control === control && run.draws.includes(draw));
  const names = new Map(
    runs.flatMap(({ ratio, control, draws }) =>
      draws.map((draw) => [`${ratio} ${control} ${draw}`, { ratio, control, draw }] as const),
    ),
  );
  const groups = [...names.values()].map(({ ratio, control, draw }): StudyGroup => {
    const own = at(draw, control, ratio);
    const over = (value: (run: Run) => number | null) => estimate(own.flatMap((run) => value(run) ?? []));
    const minus = (other: readonly Run[], value: (run: Run) => number | null) =>
      difference(pairsOf(own, other, value), margin);
    const dense = (run: Run) => searches.find(({ seed }) => seed === run.seed)!;
    const isEmergence = draw === 'emergence' && control === null;
    const emergence = at('emergence', null, ratio);
    const all = runs.filter((run) => run.ratio === ratio && run.control === control && run.draws.includes(draw));
    return {
      ...{ ratio, draw, control },
      n: own.length,
      of: seeds.length,
      failed: all.filter(({ state }) => state === 'failed').length,
      collapsed: own.filter(({ result }) => result.collapsed).length,
      epoch: estimate(all.map(({ epoch }) => epoch)),
      top1: over(({ result }) => result.top1),
      atBudget: over((run) => run.atBudget),
      kept: over(({ result }) => result.kept / result.channels),
      forward: over((run) => run.result.forward / dense(run).forward),
      cost: over((run) => totalOf(run.result) / denseFlops(dense(run))),
      overEmergence: isEmergence ? null : minus(emergence, ({ result }) => result.top1),
      overEmergenceAtBudget: isEmergence ? null : minus(emergence, (run) => run.atBudget),
      overTicket: control === null ? null : minus(at(draw, null, ratio), ({ result }) => result.top1),
    };
  });
  const order = (group: StudyGroup) => ratios.indexOf(group.ratio);
  return groups.sort((a, b) => order(a) - order(b) || Number(a.control !== null) - Number(b.control !== null));
}

const denseFlops = ({ forward, images, epochs }: SearchRecord) =>
  trainingFlops([{ forward, images: epochs * images }], 'exact');

function pairsOf(a: readonly Run[], b: readonly Run[], value: (run: Run) => number | null) {
  return a.flatMap((run): [number, number][] => {
    const other = b.find(({ seed }) => seed === run.seed);
    const [x, y] = [value(run), other ? value(other) : null];
    return x === null || y === null ? [] : [[x, y]];
  });
}

const totalOf = ({ flops }: RunFigures) => flops.search + flops.retrain;
const budgetKey = ({ ratio, seed }: RunRecord) => `${ratio} ${seed}`;

/** The FLOPs that the cheapest ticket of a ratio and seed takes in all: every other one is read where it has spent as many. */
function budgetsOf(runs: readonly RunRecord[]): Map<string, number> {
  const budgets = new Map<string, number>();
  for (const tickets of [true, false])
    for (const run of runs) {
      if (!run.result || (run.control === null) !== tickets) continue;
      // Controls decide only where no ticket is finished.
      if (!tickets && budgets.has(budgetKey(run)) && runs.some((other) => isTicketOf(other, run))) continue;
      budgets.set(budgetKey(run), Math.min(budgets.get(budgetKey(run)) ?? Infinity, totalOf(run.result)));
    }
  return budgets;
}

const isTicketOf = (other: RunRecord, run: RunRecord) =>
  other.control === null && other.result !== null && budgetKey(other) === budgetKey(run);

/**
 * The accuracy after the last whole epoch of retraining by which search and retraining have not taken more than the budget; null where
 * the search alone has.
 */
export function top1Within({ curve, flops }: Pick<RunFigures, 'curve' | 'flops'>, budget: number): number | null {
  const epoch = flops.retrain / curve.length;
  // Sums of floating-point numbers: the cheapest run itself must reach its last epoch.
  const epochs = Math.floor((budget - flops.search) / epoch + 1e-9);
  return epochs < 1 ? null : curve[Math.min(epochs, curve.length) - 1]!;
}
