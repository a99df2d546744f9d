/** Pruning: draw the mask of a checkpoint at ratio p and cut the masked channels out of the network. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint, writeCheckpoint } from '../checkpoint/pth';
import type { Value } from '../checkpoint/value';
import { knownDataset } from '../data/known';
import { RunMeter, writeEnergy } from '../energy/meter';
import { phaseTotals } from '../energy/totals';
import { type Engine, openEngine } from '../engine/device';
import { EarlybirdError } from '../errors';
import type { Cfg, NativeModel } from '../native/types/model';
import { forwardFlops, maskFlops, maskMemoryKB, parameterCount } from '../network/flops';
import { formatsOf } from '../recipe/precision';
import type { PruneRecipe } from '../recipe/recipe';
import { weightsValue } from '../run/checkpoint';
import { optionsFor } from '../run/checkpoint-formats';
import {
  completedOf,
  type ModelInfo,
  modelInfo,
  type NetworkInfo,
  networkEntries,
  networkFor,
} from '../run/checkpoint-network';
import { RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import type { StateDict } from '../tensor';
import { type Costs, type PruneReport, pruneNotes, pruneText, sharesOf } from './report';
import { compareSteps } from './step-time';

/** `energy` is the meter of a longer run, shared, not disposed. */
export async function prune(
  recipe: PruneRecipe,
  { observer, signal, energy: shared }: RunOptions & { energy?: RunMeter } = {},
): Promise<PruneReport> {
  const { value } = await readCheckpoint(recipe.model);
  const initial = recipe.init === undefined ? undefined : { path: recipe.init, ...(await readCheckpoint(recipe.init)) };
  const engine = openEngine(recipe, observer?.log);
  const said = networkFor(recipe, value, recipe.model);
  const formats = formatsOf(optionsFor(recipe, value, recipe.model, said.formats, observer?.log));
  const network = { ...said, formats };
  const models: NativeModel[] = [];
  const owned = (model: NativeModel) => {
    models.push(model);
    return model;
  };
  const build = async (state: StateDict) =>
    owned(await load(engine, { ...network, classes: classesFor(recipe, network, state) }, state, recipe.seed));
  const energy = shared ?? (await RunMeter.open(engine, recipe, signal));
  try {
    const dense = await build(stateDictOf(value, recipe.model));
    const donor = initial && (await build(stateDictOf(initial.value, initial.path)));
    const [mask] = await dense.masks([recipe.percent], { protective: recipe.protective });
    if (!mask || mask.kept === 0) {
      throw new EarlybirdError(
        'ERR_PRUNE',
        `The mask of ${recipe.model} at --percent ${recipe.percent} is empty: its gammas are all equal, as in an untrained network.`,
      );
    }
    const { surgery, roundTo, emptyLayers } = recipe;
    const options = { mask: mask.bits, emptyLayers, surgery };
    const { model: small, layers, cutsLiveChannels } = await dense.prune({ ...options, roundTo, weightsFrom: donor });
    owned(small);
    const other = roundTo > 1 ? owned((await dense.prune(options)).model) : undefined;
    const notes = pruneNotes({
      cutsLiveChannels,
      surgery,
      rewound: donor !== undefined,
      layers,
      budget: roundTo > 1 ? mask.kept : undefined,
    });
    for (const note of notes) observer?.log?.(note);

    const description = small.describe();
    const [before, after] = [await costsOf(dense), await costsOf(small)];
    const report: PruneReport = {
      ticket: join(recipe.save, 'pruned.pth.tar'),
      ratio: recipe.percent,
      surgery,
      roundTo,
      protective: recipe.protective,
      effective: sharesOf(layers, before, after),
      threshold: mask.threshold,
      channels: mask.total,
      kept: mask.kept,
      layers,
      maskMemoryKB: maskMemoryKB(mask.total),
      maskFlops: maskFlops(mask.total),
      cfg: description.cfg,
      before,
      after,
      time: null,
      timeMissing: 'not measured (--measure false)',
      unrounded: other ? { ...(await costsOf(other)), step: null } : null,
      // A file of weights alone, as the reference's init.pth.tar, is from before training.
      completed: initial ? (completedOf(initial.value, initial.path) ?? 0) : completedOf(value, recipe.model),
      drawn: completedOf(value, recipe.model),
    };
    await mkdir(recipe.save, { recursive: true });
    const info = modelInfo(description, formats);
    await writeCheckpoint(report.ticket, ticketValue(await small.stateDict(), info, report, recipe));
    await writeFileAtomic(join(recipe.save, 'prune.txt'), Buffer.from(pruneText(report)));
    const spent = (await energy.lap()) ?? {};
    await writeEnergy(RunDirectory.at(recipe.save), energy, 'prune', phaseTotals('prune', [], spent));
    if (!recipe.measure) return report;
    // Last, because it moves BatchNorm statistics.
    const timed = await measured(engine, [dense, small, ...(other ? [other] : [])], report, recipe, signal);
    await energy.lap(); // what timing took is no phase's
    return { ...report, ...timed };
  } finally {
    if (!shared) energy.dispose();
    for (const model of models) model.dispose();
  }
}

/** Pruning is quick and pure: it is repeated unless its result, prune.json, is there. */
export async function pruneOnce(
  recipe: PruneRecipe,
  options: NonNullable<Parameters<typeof prune>[1]> = {},
): Promise<PruneReport> {
  const folder = RunDirectory.at(recipe.save);
  const before = await folder.readJson<PruneReport>('prune.json');
  // The path it had may be spelt differently now.
  const ticket = folder.file('pruned.pth.tar');
  if (before && existsSync(ticket) && !options.force) return { ...before, ticket };
  const report = await prune(recipe, options);
  await folder.writeJson('prune.json', report);
  return report;
}

/** The ticket is there by now: where its step cannot be timed, the report says why. */
async function measured(
  { addon, precision }: Engine,
  models: readonly NativeModel[],
  { unrounded }: PruneReport,
  { seed }: PruneRecipe,
  signal: AbortSignal | undefined,
): Promise<Pick<PruneReport, 'time' | 'timeMissing' | 'unrounded'>> {
  try {
    const { milliseconds, ...batch } = await compareSteps(addon, models, { precision, seed, signal });
    const [dense, ticket, other] = milliseconds as [number, number, number?];
    return {
      time: { ...batch, dense, ticket, ratio: ticket / dense },
      timeMissing: null,
      unrounded: unrounded && { ...unrounded, step: other ?? null },
    };
  } catch (error) {
    signal?.throwIfAborted();
    return { time: null, timeMissing: `not measured: ${(error as Error).message}`, unrounded };
  }
}

/** Those of the dataset where its name fixes them; imagenet may be a part of it, so that the checkpoint decides. */
function classesFor(recipe: PruneRecipe, { classes }: Partial<NetworkInfo>, state: StateDict): number {
  const { dataset } = recipe;
  const named = dataset && dataset !== 'imagenet' ? knownDataset(dataset)?.classes : undefined;
  const key = [...state.keys()].find((name) => /(^|\.)(classifier|fc)(\.\d+)*\.bias$/.test(name));
  const known = named ?? classes ?? (key === undefined ? undefined : state.get(key)?.shape[0]);
  if (known !== undefined) return known;
  throw new EarlybirdError(
    'ERR_CHECKPOINT',
    `${recipe.model} has no classifier, so the number of classes is unknown: give --dataset.`,
  );
}

async function load(
  { addon, device }: Engine,
  network: Omit<NetworkInfo, 'cfg'> & { cfg?: Cfg },
  state: StateDict,
  seed: number,
): Promise<NativeModel> {
  const model = await addon.createModel({ ...network, seed, device });
  try {
    await model.loadStateDict(state);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function costsOf(model: NativeModel): Promise<Costs> {
  const description = model.describe();
  const { parameters, withIndexes } = parameterCount(description, await model.stateDict());
  return { parameters, parametersWithIndexes: withIndexes, flops: forwardFlops(description.layers) };
}

function ticketValue(state: StateDict, network: ModelInfo, report: PruneReport, recipe: PruneRecipe): Value {
  return new Map<string, Value>([
    ['cfg', [...network.cfg]],
    ['state_dict', weightsValue(state, network)],
    [
      'earlybird',
      new Map<string, Value>([
        ...networkEntries(network),
        ['completed', report.completed],
        ['ratio', report.ratio],
        ['surgery', report.surgery],
        ['round_to', report.roundTo],
        ['protective', report.protective],
        ['drawn', report.drawn],
        ['source', basename(recipe.model)],
        ['init', recipe.init === undefined ? null : basename(recipe.init)],
      ]),
    ],
  ]);
}
