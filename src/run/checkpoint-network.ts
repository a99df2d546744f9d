import { basename } from 'node:path';
import { cfgOf, epochOf } from '../checkpoint/keys';
import { type Dict, isDict, type Value } from '../checkpoint/value';
import type { Cfg, ModelDescription } from '../native/types/model';
import type { NumberFormats } from '../native/types/number-formats';
import { defaultDepth } from '../network/names';
import { formatsFrom, formatsValue } from './checkpoint-formats';

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
