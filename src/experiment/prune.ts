/** Pruning: draw the mask of a checkpoint at ratio p and cut the masked channels out of the network. */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictOf, stateDictValue } from '../checkpoint/keys';
import { readCheckpoint, writeCheckpoint } from '../checkpoint/pth';
import type { Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { Cfg, NativeAddon, NativeModel } from '../native/types';
import type { StateDict } from '../tensor';
import { openEngine } from './device';
import { forwardFlops, maskFlops, maskMemoryKB, parameterCount } from './flops';
import type { RunOptions } from './observer';
import type { PruneRecipe } from './recipe';
import { completedOf, type NetworkInfo, networkEntries, networkFor } from './training-checkpoint';

export interface PruneLayer {
  key: string;
  total: number;
  kept: number;
  /** Channels kept although the mask dropped them. */
  clamped: number;
  removed: boolean;
}

export interface Costs {
  parameters: number;
  parametersWithIndexes: number;
  flops: number;
}

export interface PruneReport {
  ticket: string;
  ratio: number;
  /** Fraction of BN channels that really went. */
  effectiveRatio: number;
  threshold: number;
  channels: number;
  kept: number;
  layers: PruneLayer[];
  maskMemoryKB: number;
  maskFlops: number;
  cfg: Cfg;
  before: Costs;
  after: Costs;
  /** Epochs the weights of the ticket have seen: those of --init where it is given. Null where the file does not say. */
  completed: number | null;
  /** Completed epochs at which the mask was drawn: those of --model. */
  drawn: number | null;
}

export async function prune(recipe: PruneRecipe, { observer }: RunOptions = {}): Promise<PruneReport> {
  const { value } = await readCheckpoint(recipe.model);
  const initial = recipe.init === undefined ? undefined : { path: recipe.init, ...(await readCheckpoint(recipe.init)) };
  const { addon, device } = openEngine(recipe, observer?.log);
  const network = networkFor(recipe, value, recipe.model);
  const build = (state: StateDict) =>
    load(addon, { ...network, classes: classesFor(recipe, network, state) }, state, device, recipe.seed);

  const dense = await build(stateDictOf(value, recipe.model));
  const donor = initial && (await build(stateDictOf(initial.value, initial.path)));
  try {
    const [mask] = await dense.masks([recipe.percent]);
    if (!mask || mask.kept === 0) {
      throw new EarlybirdError(
        'ERR_PRUNE',
        `The mask of ${recipe.model} at --percent ${recipe.percent} is empty: its gammas are all equal, as in an untrained network.`,
      );
    }
    const { model, layers } = await dense.prune({
      mask: mask.bits,
      emptyLayers: recipe.emptyLayers,
      weightsFrom: donor,
    });
    try {
      warn(layers, (line) => observer?.log?.(line));
      const state = await model.stateDict();
      const description = model.describe();
      const ticket = join(recipe.save, 'pruned.pth.tar');
      const keptChannels = layers.reduce((sum, { kept }) => sum + kept, 0);
      const report: PruneReport = {
        ticket,
        ratio: recipe.percent,
        effectiveRatio: 1 - keptChannels / mask.total,
        threshold: mask.threshold,
        channels: mask.total,
        kept: mask.kept,
        layers,
        maskMemoryKB: maskMemoryKB(mask.total),
        maskFlops: maskFlops(mask.total),
        cfg: description.cfg,
        before: await costsOf(dense),
        after: await costsOf(model),
        // A file of weights alone, as the reference's init.pth.tar, is from before training.
        completed: initial ? (completedOf(initial.value, initial.path) ?? 0) : completedOf(value, recipe.model),
        drawn: completedOf(value, recipe.model),
      };
      await mkdir(recipe.save, { recursive: true });
      const info: NetworkInfo = {
        arch: description.arch,
        depth: description.depth,
        classes: description.classes,
        cfg: description.cfg,
      };
      await writeCheckpoint(ticket, ticketValue(state, info, report, recipe));
      await writeFileAtomic(join(recipe.save, 'prune.txt'), Buffer.from(pruneText(report)));
      return report;
    } finally {
      model.dispose();
    }
  } finally {
    dense.dispose();
    donor?.dispose();
  }
}

/** Where the number of classes is fixed by the dataset's name; else the checkpoint decides. */
const CLASSES: Record<string, number | undefined> = { cifar10: 10, cifar100: 100 };

function classesFor(recipe: PruneRecipe, { classes }: Partial<NetworkInfo>, state: StateDict): number {
  const named = recipe.dataset && CLASSES[recipe.dataset];
  const key = [...state.keys()].find((name) => /(^|\.)(classifier|fc)(\.\d+)*\.bias$/.test(name));
  const known = named ?? classes ?? (key === undefined ? undefined : state.get(key)?.shape[0]);
  if (known !== undefined) return known;
  throw new EarlybirdError(
    'ERR_CHECKPOINT',
    `${recipe.model} has no classifier, so the number of classes is unknown: give --dataset.`,
  );
}

async function load(
  addon: NativeAddon,
  network: Omit<NetworkInfo, 'cfg'> & { cfg?: Cfg },
  state: StateDict,
  device: string,
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

function warn(layers: readonly PruneLayer[], log: (line: string) => void): void {
  for (const { key, clamped, removed } of layers) {
    if (removed) log(`warning: ${key} lost every channel and is removed`);
    else if (clamped > 0) log(`warning: ${key} would have lost every channel; ${clamped} kept (largest |gamma|)`);
  }
}

function ticketValue(state: StateDict, network: NetworkInfo, report: PruneReport, recipe: PruneRecipe): Value {
  return new Map<string, Value>([
    ['cfg', [...network.cfg]],
    ['state_dict', stateDictValue(state)],
    [
      'earlybird',
      new Map<string, Value>([
        ...networkEntries(network),
        ['completed', report.completed],
        ['ratio', report.ratio],
        ['drawn', report.drawn],
        ['source', basename(recipe.model)],
        ['init', recipe.init === undefined ? null : basename(recipe.init)],
      ]),
    ],
  ]);
}

/** A cfg as Python prints it. */
export function pythonList(cfg: Cfg): string {
  return `[${cfg.map((width) => (width === 'M' ? "'M'" : width)).join(', ')}]`;
}

/** prune.txt: both parts the reference writes (its second part overwrites the first), counts with `indexes` as it counts them. */
export function pruneText({ cfg, before, after }: PruneReport): string {
  const lines = ['Configuration:', pythonList(cfg), 'Number of parameters:', before.parametersWithIndexes];
  return [...lines, 'new model param: ', after.parametersWithIndexes, 'new model flops: ', after.flops, ''].join('\n');
}

/** What the reference prints while it prunes. */
export function pruneLog({
  before,
  after,
  layers,
  maskMemoryKB: memory,
  maskFlops: flops,
  cfg,
  effectiveRatio,
  ticket,
}: PruneReport): string {
  return [
    `original model param: ${before.parametersWithIndexes}`,
    `original model flops: ${before.flops}`,
    ...layers.map(
      ({ total, kept, clamped }, i) =>
        `layer index: ${i + 1} \t total channel: ${total} \t remaining channel: ${kept - clamped}`,
    ),
    `Memory Request: ${memory.toFixed(2)}KB`,
    `Flops for pruning: ${(flops / 1e6).toFixed(2)}M`,
    `cfg: ${pythonList(cfg)}`,
    `channels removed: ${(100 * effectiveRatio).toFixed(2)}%`,
    `new model param: ${after.parametersWithIndexes}`,
    `new model flops: ${after.flops}`,
    `saved ${ticket}`,
  ].join('\n');
}
