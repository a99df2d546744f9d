/**
 * `bench energy --dry-run`: every row with its epochs, its FLOPs and its estimated costs. What is known only after a
 * run is taken from rows on disk, else assumed, and the row's assumptions name it. Nothing is run.
 */
import { networkName } from '../network/names';
import { flopsOf, NO_PAPER_FLOPS } from '../network/training-flops';
import type { EnergyMethod } from '../recipe/cost';
import type { BenchEnergyRecipe } from '../recipe/recipe';
import { isScheduled } from '../recipe/schedules';
import { settleVariant } from '../recipe/variant';
import { observedIn } from './observed';
import { NO_SCHEDULED_BITS, plannedGbitops } from './plan-arithmetic';
import { atRatio, type PlanInputs, planInputs } from './plan-inputs';
import { checkIdentities, type RowResult, readRow } from './row-results';
import { type EnergyRow, METHODS, rowsOf, type StageKind, stagesOf } from './rows';
import { refuseMixedMachines } from './same-machine';

/** Seconds or joules: measured, or estimated, or null with the reason. */
export interface Estimate {
  value: number | null;
  estimated: boolean;
  reason?: string | undefined;
}

export interface PlannedRow extends EnergyRow {
  state: RowResult['state'];
  /** Epochs of the dense network and of the ticket. */
  epochs: { dense: number; ticket: number };
  /** Forward FLOPs of one image in the ticket; null for a dense row, and where they are not known. */
  ticketForward: number | null;
  /** null where the network or the number of images is not known: the plan's notes say why. */
  flops: RowResult['flops'];
  /** 1e9 bit operations of training; null where they are not known. */
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
  /** Training images of an epoch. */
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

/** A training of a row that is not finished. */
interface PlannedStage extends StageKind {
  epochs: number;
  /** Epochs already on disk. */
  done: number;
  forward: number | null;
  /** Cost of one epoch. */
  gbitops: number | null;
  seconds: Estimate;
  joules: Estimate;
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

interface Context {
  recipe: BenchEnergyRecipe;
  observed: ReturnType<typeof observedIn>;
  inputs: PlanInputs;
}

/** Ratios whose rows are not finished, and of which no ticket is on disk. */
function unseenRatios(results: readonly RowResult[], observed: Context['observed']): number[] {
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
  /** Empty for a finished row. */
  stages: PlannedStage[];
}

function planRow(context: Context, result: RowResult): Planned {
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

function planStages(context: Context, result: RowResult, assumptions: string[]): PlannedStage[] {
  const { inputs } = context;
  const epochs = epochsOf(context, result, assumptions);
  return stagesOf(result).map((kind): PlannedStage => {
    const { ratio } = kind;
    const forward = ratio === null ? inputs.forward : ticketForward(context, ratio, assumptions);
    const done = result.stages.find(({ name }) => name === kind.name)?.epochs ?? 0;
    const share = forward !== null && inputs.forward !== null ? forward / inputs.forward : 1;
    const costs = epochCosts(context, kind, share, assumptions);
    const gbitops = epochGbitops(context, kind);
    return { ...kind, epochs: ratio === null ? epochs.dense : epochs.ticket, done, forward, gbitops, ...costs };
  });
}

function ticketForward({ recipe, observed, inputs }: Context, ratio: number, assumptions: string[]): number | null {
  const seen = observed.forward(ratio);
  const assumed = inputs.ticket(ratio);
  if (seen !== null) assumptions.push(`the ticket has the FLOPs of finished ones at p = ${ratio}`);
  else if (assumed === null) assumptions.push('the ticket counts as the dense network: at most');
  else if (recipe.assumeFlops) assumptions.push("the ticket's share of FLOPs is that of --assume-flops");
  else assumptions.push('the ticket keeps 1 - p of the channels of every layer; --assume-flops says otherwise');
  return seen ?? assumed ?? inputs.forward;
}

/** Epochs of both trainings. A ticket is drawn as late as in finished rows, else as the recipe assumes. */
function epochsOf({ recipe, observed }: Context, { method, ratio }: RowResult, assumptions: string[]) {
  const { epochs, assumeEpoch } = recipe;
  const { earlyBird } = METHODS[method];
  if (!earlyBird) return { dense: epochs, ticket: epochs };
  const before = observed.drawn(ratio!, earlyBird.search);
  const drawn = before === null ? assumedEpoch(recipe, ratio!) : Math.round(before);
  const why = assumeEpoch ? 'as --assume-epoch says' : 'about an eighth of --epochs; --assume-epoch says otherwise';
  assumptions.push(`the ticket is drawn after epoch ${drawn}, ${before === null ? why : 'as in finished rows'}`);
  return { dense: drawn, ticket: method === 'eb-reinit' ? epochs : epochs - drawn };
}

/**
 * The epochs that fit the paper's tables are about an eighth of all: 20 of 160 for VGG-16 at p = 0.3, 11 of 90 for ResNet-18
 * (docs/cost.md). No ticket comes before the detector has a window of masks.
 */
function assumedEpoch(recipe: BenchEnergyRecipe, ratio: number): number {
  const { epochs, assumeEpoch, detectorWindow } = recipe;
  return (
    atRatio(recipe, assumeEpoch, ratio) ?? Math.min(epochs - 1, Math.max(detectorWindow - 1, Math.round(epochs / 8)))
  );
}

/** Seconds and joules of one epoch. `share`: its FLOPs over those of a dense one. */
function epochCosts(
  { recipe, observed, inputs }: Context,
  { ratio, low }: StageKind,
  share: number,
  assumptions: string[],
) {
  const { imagesPerSecond, watts } = recipe;
  const own = observed.epoch({ ratio, low });
  const dense = observed.epoch({ ratio: null, low });
  if (own.seconds === null && dense.seconds !== null)
    assumptions.push(
      'an epoch of the ticket takes what a dense one does times its share of FLOPs: small layers take more',
    );
  const scaled = (value: number | null) => (value === null ? null : value * share);
  let seconds = own.seconds ?? scaled(dense.seconds);
  if (seconds === null && imagesPerSecond !== undefined && inputs.images !== null) {
    seconds = (share * inputs.images) / imagesPerSecond;
    assumptions.push(
      `${imagesPerSecond} images/s in the dense network, as given, and a ticket's share of its FLOPs; evaluation is left out`,
    );
  }
  let joules = own.joules ?? scaled(dense.joules);
  if (joules === null && seconds !== null && watts !== undefined) {
    joules = seconds * watts;
    assumptions.push(`${watts} W throughout, as given`);
  }
  const what = `no epoch of ${ratio === null ? 'the dense network' : 'a ticket'}${low ? ' in low precision' : ''}`;
  return {
    seconds: estimate(seconds, `${what} was run here, and --images-per-second is not given`),
    joules: estimate(joules, `${what} was metered here, and there is no time and --watts to estimate with`),
  };
}

/** What epochs of that kind counted on disk, else by the network and the formats of the recipe. */
function epochGbitops({ recipe, observed, inputs }: Context, { ratio, low }: StageKind): number | null {
  const adds = observed.adds(ratio) ?? inputs.adds(ratio);
  const { precision } = recipe;
  const options = low ? { ...recipe, ...settleVariant({ ...recipe, variant: 'll' }) } : { precision };
  return observed.epoch({ ratio, low }).gbitops ?? plannedGbitops({ adds, images: inputs.images }, options);
}

function totalGbitops(stages: readonly PlannedStage[]): number | null {
  if (stages.some(({ gbitops }) => gbitops === null)) return null;
  return stages.reduce((sum, { gbitops, epochs }) => sum + gbitops! * epochs, 0);
}

const estimate = (value: number | null, reason: string): Estimate =>
  value === null ? { value, estimated: true, reason } : { value, estimated: true };
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
