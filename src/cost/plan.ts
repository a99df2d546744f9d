/**
 * `bench energy --dry-run`: every row with its epochs, its FLOPs and its estimated costs. Figures that only a run can
 * tell come from rows on disk, or else from assumptions that the row names. Nothing is run.
 */
import { networkName } from '../network/names';
import { flopsOf, NO_PAPER_FLOPS } from '../network/training-flops';
import type { EnergyMethod } from '../recipe/cost';
import { isScheduled } from '../recipe/precision-schedules';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { observedIn } from './observed';
import { NO_SCHEDULED_BITS } from './plan-arithmetic';
import { planInputs } from './plan-inputs';
import { type Estimate, type PlanContext, type PlannedStage, planStages } from './plan-stages';
import { checkIdentities, type RowResult, readRow } from './row-results';
import { type EnergyRow, rowsOf, type StageKind } from './rows';
import { refuseMixedMachines } from './same-machine';

export interface PlannedRow extends EnergyRow {
  state: RowResult['state'];
  /** Number of epochs of the dense network and of the ticket. */
  epochs: { dense: number; ticket: number };
  /** Forward FLOPs of one image in the ticket; null for a dense row, and where unknown. */
  ticketForward: number | null;
  /**
   * FLOPs of training; null where the network or the number of images is unknown, with the reason in the plan's notes.
   */
  flops: RowResult['flops'];
  /** 1e9 bit operations of training; null where unknown. */
  gbitops: number | null;
  /** Exact FLOPs over those of the baseline at this ratio and seed; null where one of them is unknown. */
  overBaseline: number | null;
  seconds: Estimate;
  joules: Estimate;
  /** Assumptions behind the figures; empty where they are measured or follow from the recipe. */
  assumptions: string[];
}

/** The rows of a comparison of methods, before they are run. */
export interface EnergyPlan {
  dryRun: true;
  network: string;
  dataset: string;
  epochs: number;
  /** Number of training images of an epoch. */
  images: number | null;
  /** Forward FLOPs of one image in the dense network. */
  forward: number | null;
  rows: PlannedRow[];
  /** Trainings yet to run. The dense training of a seed is run once, however many rows begin with it. */
  left: {
    rows: number;
    epochs: number;
    flops: number | null;
    gbitops: number | null;
    seconds: Estimate;
    joules: Estimate;
  };
  notes: string[];
}

/** Plans a comparison of methods. Throws ERR_RECIPE and ERR_BENCH_MACHINE as `benchEnergy` does. */
export async function planEnergy(recipe: BenchEnergyRecipe): Promise<EnergyPlan> {
  const wanted = rowsOf(recipe);
  await checkIdentities(recipe, wanted);
  const results = await Promise.all(wanted.map((row) => readRow(recipe.save, row)));
  const stages = results.flatMap((row) => row.stages);
  refuseMixedMachines(stages);
  const observed = observedIn(results);
  const inputs = await planInputs(recipe, {
    images: stages[0]?.dataset.train ?? null,
    forward: observed.forward(null),
    adds: observed.adds(null),
    ratios: unseenRatios(results, observed),
  });
  const planned = results.map((result) => planRow({ recipe, observed, inputs }, result));
  compareWithBaseline(
    planned.map(({ row }) => row),
    recipe.baseline,
  );
  const { arch, depth, cfg, dataset, epochs } = recipe;
  return {
    dryRun: true,
    network: networkName(arch, depth!, cfg),
    dataset,
    epochs,
    images: inputs.images,
    forward: inputs.forward,
    rows: planned.map(({ row }) => row),
    left: leftOf(planned, inputs.images),
    notes: [
      ...inputs.notes,
      ...(isScheduled(recipe) && planned.some(({ row }) => row.gbitops === null) ? [NO_SCHEDULED_BITS] : []),
      ...(planned.some(({ row }) => row.flops?.paper === null) ? [NO_PAPER_FLOPS] : []),
      'FLOPs: training, three forward passes an image (docs/cost.md). An estimated epoch takes what epochs of that kind took on disk, else what --images-per-second and --watts say.',
    ],
  };
}

/** Ratios whose rows are not finished and of which no ticket is on disk. */
function unseenRatios(results: readonly RowResult[], observed: PlanContext['observed']): number[] {
  const open = results.flatMap(({ state, ratio }) => (state === 'finished' || ratio === null ? [] : ratio));
  return [...new Set(open)].filter((ratio) => observed.forward(ratio) === null);
}

function compareWithBaseline(rows: readonly PlannedRow[], baseline: EnergyMethod): void {
  for (const row of rows) {
    const other = rows.find(
      ({ method, seed, ratio }) => method === baseline && seed === row.seed && (ratio === null || ratio === row.ratio),
    );
    if (row.flops && other?.flops && other !== row) row.overBaseline = row.flops.exact / other.flops.exact;
  }
}

interface Planned {
  row: PlannedRow;
  /** Trainings that are left; empty for a finished row. */
  stages: PlannedStage[];
}

function planRow(context: PlanContext, result: RowResult): Planned {
  const { method, ratio, seed, folder, state } = result;
  const own = { method, ratio, seed, folder, state, overBaseline: null };
  if (state === 'finished') {
    const { stages, flops, energy, arithmetic } = result;
    const gbitops = arithmetic?.gbitops ?? null;
    const epochs = epochsIn(stages);
    const seconds = { value: result.seconds, estimated: false };
    const joules = { value: energy.joules, estimated: energy.estimated, reason: energy.reason };
    const ticketForward = stages.find((stage) => stage.ratio !== null)?.forward ?? null;
    return { row: { ...own, epochs, ticketForward, flops, gbitops, seconds, joules, assumptions: [] }, stages: [] };
  }
  const assumptions: string[] = [];
  const stages = planStages(context, result, assumptions);
  const epochs = epochsIn(stages);
  const cost = (name: 'seconds' | 'joules') => total(stages.map((stage) => times(stage[name], stage.epochs)));
  const flops = plannedFlops(stages, context.inputs.images);
  const gbitops = totalGbitops(stages);
  const costs = { seconds: cost('seconds'), joules: cost('joules') };
  const ticketForward = stages.find((stage) => stage.ratio !== null)?.forward ?? null;
  const row = { ...own, epochs, ticketForward, flops, gbitops, ...costs, assumptions: [...new Set(assumptions)] };
  return { row, stages };
}

function epochsIn(stages: readonly (StageKind & { epochs: number })[]): PlannedRow['epochs'] {
  const sum = (wanted: boolean) =>
    stages.reduce((all, { ratio, epochs }) => all + ((ratio === null) === wanted ? epochs : 0), 0);
  return { dense: sum(true), ticket: sum(false) };
}

function totalGbitops(stages: readonly PlannedStage[]): number | null {
  if (stages.some(({ gbitops }) => gbitops === null)) return null;
  return stages.reduce((sum, { gbitops, epochs }) => sum + gbitops! * epochs, 0);
}

const times = (one: Estimate, factor: number): Estimate => ({
  ...one,
  value: one.value === null ? null : one.value * factor,
});

function total(parts: readonly Estimate[]): Estimate {
  const missing = parts.find(({ value }) => value === null);
  if (missing) return missing;
  return {
    value: parts.reduce((sum, { value }) => sum + value!, 0),
    estimated: parts.some(({ estimated }) => estimated),
  };
}

function plannedFlops(stages: readonly PlannedStage[], images: number | null): PlannedRow['flops'] {
  if (images === null || stages.some(({ forward }) => forward === null)) return null;
  return flopsOf(stages.map(({ forward, epochs }) => ({ forward: forward!, images: epochs * images })));
}

function leftOf(planned: readonly Planned[], images: number | null): EnergyPlan['left'] {
  const seeds = new Set<number>();
  const stages = planned.flatMap(({ row, stages }) =>
    stages.flatMap((stage) => {
      const isAgain = stage.name === 'dense' && seeds.has(row.seed);
      if (stage.name === 'dense') seeds.add(row.seed);
      return isAgain ? [] : { ...stage, epochs: Math.max(0, stage.epochs - stage.done) };
    }),
  );
  const cost = (name: 'seconds' | 'joules') => total(stages.map((stage) => times(stage[name], stage.epochs)));
  return {
    rows: planned.filter(({ row }) => row.state !== 'finished').length,
    epochs: stages.reduce((sum, { epochs }) => sum + epochs, 0),
    flops: plannedFlops(stages, images)?.exact ?? null,
    gbitops: totalGbitops(stages),
    seconds: cost('seconds'),
    joules: cost('joules'),
  };
}
