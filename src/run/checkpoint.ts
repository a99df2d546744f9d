/**
 * The training checkpoint: the reference's four keys, and one of ours (`earlybird`) with all that an exact resume
 * needs.
 */
import { extrasOf } from '../checkpoint/extras';
import { bestOf, parameterKeys, stateDictOf, stateDictValue, wrappedKeys } from '../checkpoint/keys';
import { type ReadOptions, readCheckpoint } from '../checkpoint/read';
import { momentumOf, sgdOptimizerValue } from '../checkpoint/sgd';
import { type Dict, isDict, type Value } from '../checkpoint/value';
import type { Arch } from '../native/types/network-data';
import type { StateDict } from '../tensor';
import { checkpointNetwork, type ModelInfo, networkEntries, weightsOf } from './checkpoint-network';
import { completedOf } from './completed';
import { type InsideEpoch, insideEntries, insideFrom } from './inside-epoch';

export interface Snapshot {
  state: StateDict;
  momentum: StateDict;
}

/** The mean of the weights after `models` epochs: a network in full precision. */
export interface AveragedWeights {
  state: StateDict;
  models: number;
}

export interface CheckpointContent {
  snapshot: Snapshot;
  /** The reference's `epoch` field: completed epochs for ckpt{e}, one more for EB files. */
  epoch: number;
  /** Number of epochs that the weights were trained for. */
  completed: number;
  /** Best exact test top-1 so far, percent. */
  best: number;
  lr: number;
  optimiser: { momentum: number; weightDecay: number };
  network: ModelInfo;
  seed: number;
  identityHash: string;
  detectors?: Value | undefined;
  /** State of a --precision-schedule. */
  precision?: Value | undefined;
  /** Averaged weights, once averaging has begun. */
  average?: AveragedWeights | undefined;
  /** Position and sums of a checkpoint inside an epoch. */
  inside?: InsideEpoch;
}

export function checkpointValue(content: CheckpointContent): Dict {
  const { snapshot, network, average } = content;
  return new Map<string, Value>([
    ['epoch', content.epoch],
    ['state_dict', weightsValue(snapshot.state, network)],
    ['best_prec1', content.best],
    ['optimizer', optimizerValue(content)],
    ...(average ? averageEntries(average) : []),
    [
      'earlybird',
      new Map<string, Value>([
        ['completed', content.completed],
        ['seed', content.seed],
        ['recipe', content.identityHash],
        ...networkEntries(network),
        ['detectors', content.detectors ?? null],
        ...(content.precision === undefined ? [] : [['precision', content.precision] as [string, Value]]),
        ...insideEntries(content.inside),
      ]),
    ],
  ]);
}

/** Contents of swa.pth.tar, with the mean of the weights. `top1` is in percent. */
export function averageValue(content: CheckpointContent, { state, models }: AveragedWeights, top1: number): Dict {
  return new Map<string, Value>([
    ['epoch', content.epoch],
    ['state_dict', stateDictValue(state)],
    ['prec1', top1],
    ['optimizer', optimizerValue(content)],
    [
      'earlybird',
      new Map<string, Value>([
        ['completed', content.completed],
        ...networkEntries({ ...content.network, formats: undefined }),
        ['models', models],
      ]),
    ],
  ]);
}

/** Contents of init.pth.tar, with the weights before training. */
export function initialValue(state: StateDict, network: ModelInfo): Dict {
  return new Map<string, Value>([
    ['state_dict', weightsValue(state, network)],
    ['earlybird', new Map<string, Value>([['completed', 0], ...networkEntries(network)])],
  ]);
}

/**
 * Weights as written to files; those of the reference's networks in low precision are under its keys for such networks.
 * A network that is data has no such keys.
 */
export function weightsValue(state: StateDict, { arch, formats, convolutions }: ModelInfo): Value {
  return stateDictValue(formats && typeof arch === 'string' ? wrappedKeys(state, convolutions) : state);
}

export interface RestoredCheckpoint extends Snapshot {
  completed: number;
  best: number;
  /** Short name of the recipe that wrote the file. */
  identityHash: string | undefined;
  detectors: Value | undefined;
  precision: Value | undefined;
  average: AveragedWeights | undefined;
  inside: InsideEpoch | undefined;
  /** The network of the weights, where the file records it. */
  arch: Arch | undefined;
}

/**
 * Reads a training checkpoint: ours, the reference's, or that of another program, for the network `arch`. `log` gets a
 * line on each part that is not used. Throws ERR_CHECKPOINT.
 */
export async function readTrainingCheckpoint(
  path: string,
  parameters: readonly string[],
  { arch, log, ...options }: ReadOptions & { arch?: Arch | undefined; log?: ((line: string) => void) | undefined } = {},
): Promise<RestoredCheckpoint> {
  const { value } = await readCheckpoint(path, options);
  const state = weightsOf(arch, value, path, log);
  const { momentum, note } = momentumOf(value, parameters, parameterKeys(state), path);
  if (note) log?.(`${path}: ${note}: momentum begins at 0`);
  const hash = extrasOf(value)?.get('recipe');
  return {
    state,
    momentum,
    completed: completedOf(value, path) ?? 0,
    best: bestOf(value) ?? 0,
    identityHash: typeof hash === 'string' ? hash : undefined,
    detectors: extrasOf(value)?.get('detectors'),
    precision: extrasOf(value)?.get('precision'),
    average: averageFrom(value, path),
    inside: insideFrom(extrasOf(value), path),
    arch: checkpointNetwork(value, path).arch,
  };
}

function optimizerValue({ snapshot, lr, optimiser }: CheckpointContent): Value {
  return sgdOptimizerValue({
    momentum: snapshot.momentum,
    // The reference counts `indexes` as parameters, so its scripts can load the file.
    parameters: parameterKeys(snapshot.state),
    lr,
    momentumFactor: optimiser.momentum,
    weightDecay: optimiser.weightDecay,
  });
}

/**
 * The average is in the checkpoint itself: with a file of its own, a kill between the two writes would count an epoch
 * twice.
 */
function averageEntries({ state, models }: AveragedWeights): [string, Value][] {
  return [
    ['swa_state_dict', stateDictValue(state)],
    ['swa_n', models],
  ];
}

function averageFrom(value: Value, path: string): AveragedWeights | undefined {
  const [state, models] = isDict(value) ? [value.get('swa_state_dict'), value.get('swa_n')] : [];
  if (state === undefined || typeof models !== 'number') return undefined;
  // Beside its network, which says what keys mean.
  const file = new Map<string, Value>([
    ['state_dict', state],
    ['earlybird', extrasOf(value)],
  ]);
  return { state: stateDictOf(file, `swa_state_dict of ${path}`), models };
}
