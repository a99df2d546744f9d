/** The training checkpoint: the reference's four keys, and one of ours (`earlybird`) with what an exact resume needs. */
import { basename } from 'node:path';
import { bestOf, cfgOf, epochOf, parameterKeys, stateDictOf, stateDictValue, wrappedKeys } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import { momentumOf, sgdOptimizerValue } from '../checkpoint/sgd';
import { type Dict, isDict, type Value } from '../checkpoint/value';
import type { NumberFormats } from '../native/number-formats';
import type { Cfg, ModelDescription } from '../native/types';
import type { StateDict } from '../tensor';
import { formatsFrom, formatsValue } from './low-precision';
import { defaultDepth } from './recipe';

export interface Snapshot {
  state: StateDict;
  momentum: StateDict;
}

/** What a checkpoint says about the network, so that other commands need not be told. */
export interface NetworkInfo {
  arch: string;
  depth: number;
  classes: number;
  cfg: Cfg;
  /** Side of the images it was trained on, pixels; files of others do not say. */
  imageSize?: number;
  /** Absent in full precision. */
  formats?: NumberFormats | undefined;
}

/** The same of a model that is there, for its files. */
export interface ModelInfo extends NetworkInfo {
  /** Keys of its convolutions. */
  convolutions: readonly string[];
}

export function modelInfo(description: ModelDescription, formats: NumberFormats | undefined): ModelInfo {
  const { arch, depth, classes, cfg, input, layers } = description;
  const convolutions = layers.flatMap(({ kind, key }) => (kind === 'conv' ? [key] : []));
  return { arch, depth, classes, cfg, imageSize: input[1], formats, convolutions };
}

/** Weights as they are written: those of a low-precision network under the release's keys for it. */
export function weightsValue(state: StateDict, { formats, convolutions }: ModelInfo): Value {
  return stateDictValue(formats ? wrappedKeys(state, convolutions) : state);
}

/** The mean of the weights after `models` epochs: those of a network in full precision. */
export interface AveragedWeights {
  state: StateDict;
  models: number;
}

export interface CheckpointContent {
  snapshot: Snapshot;
  /** The reference's `epoch` field: completed epochs for ckpt{e}, one more for EB files. */
  epoch: number;
  /** Epochs the weights have really seen. */
  completed: number;
  /** Best exact test top-1 so far, percent. */
  best: number;
  lr: number;
  optimiser: { momentum: number; weightDecay: number };
  network: ModelInfo;
  seed: number;
  identityHash: string;
  detectors?: Value | undefined;
  /** Once averaging has begun. */
  average?: AveragedWeights | undefined;
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
      ]),
    ],
  ]);
}

function optimizerValue({ snapshot, lr, optimiser }: CheckpointContent): Value {
  return sgdOptimizerValue({
    momentum: snapshot.momentum,
    // As the reference counts them, `indexes` included, so that its scripts can load the file.
    parameters: parameterKeys(snapshot.state),
    lr,
    momentumFactor: optimiser.momentum,
    weightDecay: optimiser.weightDecay,
  });
}

/** In the checkpoint itself: with a file of its own, a kill between the two would count an epoch twice. */
function averageEntries({ state, models }: AveragedWeights): [string, Value][] {
  return [
    ['swa_state_dict', stateDictValue(state)],
    ['swa_n', models],
  ];
}

function averageFrom(value: Value, path: string): AveragedWeights | undefined {
  const [state, models] = isDict(value) ? [value.get('swa_state_dict'), value.get('swa_n')] : [];
  if (state === undefined || typeof models !== 'number') return undefined;
  return { state: stateDictOf(state, `swa_state_dict of ${path}`), models };
}

/** swa.pth.tar: the mean of the weights, of a network in full precision. `top1` in percent. */
export function averageValue(content: CheckpointContent & { average: AveragedWeights }, top1: number): Dict {
  const { average, network } = content;
  return new Map<string, Value>([
    ['epoch', content.epoch],
    ['state_dict', stateDictValue(average.state)],
    ['prec1', top1],
    ['optimizer', optimizerValue(content)],
    [
      'earlybird',
      new Map<string, Value>([
        ['completed', content.completed],
        ...networkEntries({ ...network, formats: undefined }),
        ['models', average.models],
      ]),
    ],
  ]);
}

/** init.pth.tar: the weights before training. */
export function initialValue(state: StateDict, network: ModelInfo): Dict {
  return new Map<string, Value>([
    ['state_dict', weightsValue(state, network)],
    ['earlybird', new Map<string, Value>([['completed', 0], ...networkEntries(network)])],
  ]);
}

export function networkEntries({ arch, depth, classes, cfg, imageSize, formats }: NetworkInfo): [string, Value][] {
  return [
    ['arch', arch],
    ['depth', depth],
    ['classes', classes],
    ['cfg', [...cfg]],
    ['image_size', imageSize ?? null],
    ['formats', formatsValue(formats)],
  ];
}

export interface RestoredCheckpoint extends Snapshot {
  completed: number;
  best: number;
  detectors: Value | undefined;
  average: AveragedWeights | undefined;
}

/** Reads a training checkpoint, ours or the reference's. Throws ERR_CHECKPOINT. */
export async function readTrainingCheckpoint(path: string, parameters: readonly string[]): Promise<RestoredCheckpoint> {
  const { value } = await readCheckpoint(path);
  const state = stateDictOf(value, path);
  return {
    state,
    momentum: momentumOf(value, parameters, parameterKeys(state)).momentum,
    completed: completedOf(value, path) ?? 0,
    best: bestOf(value) ?? 0,
    detectors: extrasOf(value)?.get('detectors'),
    average: averageFrom(value, path),
  };
}

/** Our own key of a checkpoint, or null in files of the reference. */
export function extrasOf(value: Value): Dict | null {
  const extras = isDict(value) ? value.get('earlybird') : undefined;
  return isDict(extras) ? extras : null;
}

/**
 * Epochs the weights have seen. Files of the reference say only `epoch`, which is one too many in EB-{p}-{k}
 * (written before epoch k-1 is trained), so the file name decides there.
 */
export function completedOf(value: Value, path: string): number | null {
  const own = extrasOf(value)?.get('completed');
  if (typeof own === 'number') return own;
  const epoch = epochOf(value);
  if (epoch === undefined) return null;
  return /^EB-\d+-\d+/.test(basename(path)) ? epoch - 1 : epoch;
}

/** Of a pruned.pth.tar of ours: its pruning ratio, and the completed epochs at which its mask was drawn; null in other files. */
export function ticketOf(value: Value): { ratio: number; epoch: number } | null {
  const extras = extrasOf(value);
  const [ratio, epoch] = [extras?.get('ratio'), extras?.get('drawn')];
  return typeof ratio === 'number' && typeof epoch === 'number' ? { ratio, epoch } : null;
}

/** What a checkpoint says about its network; what it does not say is absent. Throws ERR_CHECKPOINT for a cfg that makes no sense. */
export function networkOf(value: Value, name: string): Partial<NetworkInfo> {
  const extras = extrasOf(value) ?? new Map<string, Value>();
  const [arch, depth, classes, imageSize] = ['arch', 'depth', 'classes', 'image_size'].map((key) => extras.get(key));
  const cfg = cfgOf(value, name) ?? cfgOf(extras, name);
  const formats = formatsFrom(extras.get('formats'), name);
  return {
    ...(typeof arch === 'string' ? { arch } : {}),
    ...(typeof depth === 'number' ? { depth } : {}),
    ...(typeof classes === 'number' ? { classes } : {}),
    ...(cfg ? { cfg } : {}),
    ...(typeof imageSize === 'number' ? { imageSize } : {}),
    ...(formats ? { formats } : {}),
  };
}

/** The network a checkpoint holds: what is given first, then what the checkpoint says, then the reference's defaults. */
export function networkFor(
  given: { arch?: string | undefined; depth?: number | undefined; cfg?: Cfg | undefined },
  value: Value,
  name: string,
): Pick<NetworkInfo, 'arch' | 'depth'> & Partial<NetworkInfo> {
  const said = networkOf(value, name);
  const arch = given.arch ?? said.arch ?? 'vgg';
  const depth = given.depth ?? (said.arch === arch ? said.depth : undefined) ?? defaultDepth(arch);
  return { ...said, arch, depth, ...(given.cfg ? { cfg: given.cfg } : {}) };
}
