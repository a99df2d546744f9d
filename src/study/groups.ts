/** Summarises the draws and controls of a study over its seeds: means, intervals and paired differences. */
import { trainingFlops } from '../network/training-flops';
import type { StudyRecipe } from '../recipe/recipe';
import type { Control } from '../recipe/study';
import type { Parts, RunFigures, RunRecord, SearchRecord } from './record';
import { type Difference, difference, type Estimate, estimate } from './statistics';

/** The runs of one draw or control at one ratio, over the seeds. */
export interface StudyGroup {
  ratio: number;
  draw: string;
  /** Control; null for the ticket. */
  control: Control | null;
  /** Number of finished runs. */
  n: number;
  /** Number of seeds. */
  of: number;
  failed: number;
  /** Number of finished runs that are no better than chance, which count in all means. */
  collapsed: number;
  /** Number of epochs before the draw. */
  epoch: Estimate | null;
  /** Exact test top-1 after equal epochs of retraining, percent. */
  top1: Estimate | null;
  /** Exact test top-1 at equal total FLOPs, percent. */
  atBudget: Estimate | null;
  /** Kept channels as a share of those of the dense network. */
  kept: Estimate | null;
  /** Forward FLOPs as a share of those of the dense network. */
  forward: Estimate | null;
  /** Training FLOPs of search and retraining over those of dense training. */
  cost: Estimate | null;
  /** 1e9 bit operations of search and retraining; null where a run did not count them. */
  gbitops: Estimate | null;
  /** Top-1 minus that of the emergence draw, paired by seed; null for the emergence draw itself. */
  overEmergence: Difference | null;
  overEmergenceAtBudget: Difference | null;
  /** Top-1 of a control minus that of the ticket of its own draw. */
  overTicket: Difference | null;
}

interface Run extends RunRecord {
  result: RunFigures;
  atBudget: number | null;
}

export function groupsOf({ seeds, ratios, margin }: StudyRecipe, { searches, runs }: Parts): StudyGroup[] {
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
      gbitops: own.every(({ result }) => result.gbitops) ? over(({ result }) => gbitopsOf(result)) : null,
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

const gbitopsOf = ({ gbitops }: RunFigures) => gbitops!.search + gbitops!.retrain;
const totalOf = ({ flops }: RunFigures) => flops.search + flops.retrain;
const budgetKey = ({ ratio, seed }: RunRecord) => `${ratio} ${seed}`;

/**
 * FLOPs by ratio and seed at which all runs are compared: the total of the ticket at emergence, or of the cheapest run
 * where no ticket emerged.
 */
function budgetsOf(runs: readonly RunRecord[]): Map<string, number> {
  const budgets = new Map<string, number>();
  for (const run of runs) {
    const own = runs.filter((other) => budgetKey(other) === budgetKey(run));
    const emergence = own.filter(({ control, draws }) => control === null && draws.includes('emergence'));
    const totals = (list: readonly RunRecord[]) => list.flatMap(({ result }) => (result ? totalOf(result) : []));
    budgets.set(budgetKey(run), Math.min(...(totals(emergence).length > 0 ? totals(emergence) : totals(own))));
  }
  return budgets;
}

/**
 * Accuracy after the last whole epoch of retraining at which search and retraining are within the budget; null where
 * the search alone exceeds it.
 */
export function top1Within({ curve, flops }: Pick<RunFigures, 'curve' | 'flops'>, budget: number): number | null {
  const epoch = flops.retrain / curve.length;
  // The margin covers rounding of the sums, so that the cheapest run itself reaches its last epoch.
  const epochs = Math.floor((budget - flops.search) / epoch + 1e-9);
  return epochs < 1 ? null : curve[Math.min(epochs, curve.length) - 1]!;
}
