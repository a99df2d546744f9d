/** The network of a checkpoint: which it is, and how our files record it. */
import { basename } from 'node:path';
import { cfgOf, epochOf } from '../checkpoint/keys';
import { type Dict, isDict, type Value } from '../checkpoint/value';
import type { Cfg, ModelDescription } from '../native/types/model';
import type { NumberFormats } from '../native/types/number-formats';
import { defaultDepth } from '../network/names';
import { formatsFrom, formatsValue } from './checkpoint-formats';
import { parseTicketFile } from './names';

interface NetworkInfo {
  arch: string;
  depth: number;
  classes: number;
  cfg: Cfg;
  /** Side of the images it was trained on, pixels; absent in files of others. */
  imageSize?: number;
  /** Absent in full precision. */
  formats?: NumberFormats | undefined;
}

/** A network in memory, with what its files need. */
export interface ModelInfo extends NetworkInfo {
  /** Keys of its convolutions. */
  convolutions: readonly string[];
}

export function modelInfo(description: ModelDescription, formats: NumberFormats | undefined): ModelInfo {
  const { arch, depth, classes, cfg, input, layers } = description;
  const convolutions = layers.flatMap(({ kind, key }) => (kind === 'conv' ? [key] : []));
  return { arch, depth, classes, cfg, imageSize: input[1], formats, convolutions };
}

/** Entries of the `earlybird` dictionary of a checkpoint, from which other commands read the network. */
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

/** The `earlybird` dictionary of a checkpoint; null in files of the reference. */
export function extrasOf(value: Value): Dict | null {
  const extras = isDict(value) ? value.get('earlybird') : undefined;
  return isDict(extras) ? extras : null;
}

/** Reads the network from a checkpoint, as far as that records it. Throws ERR_CHECKPOINT for an impossible cfg. */
export function checkpointNetwork(value: Value, name: string): Partial<NetworkInfo> {
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

/** The network of a checkpoint: as given, else as the checkpoint records, else the reference's default. */
export function networkFor(
  given: { arch?: string | undefined; depth?: number | undefined; cfg?: Cfg | undefined },
  value: Value,
  name: string,
): Pick<NetworkInfo, 'arch' | 'depth'> & Partial<NetworkInfo> {
  const recorded = checkpointNetwork(value, name);
  const arch = given.arch ?? recorded.arch ?? 'vgg';
  const depth = given.depth ?? (recorded.arch === arch ? recorded.depth : undefined) ?? defaultDepth(arch);
  return { ...recorded, arch, depth, ...(given.cfg ? { cfg: given.cfg } : {}) };
}

/**
 * Epochs that the weights were trained for. Files of the reference have only `epoch`, which is one too many in EB-{p}-{k} (written
 * before epoch k-1 is trained), so the file name decides there.
 */
export function completedOf(value: Value, path: string): number | null {
  const own = extrasOf(value)?.get('completed');
  if (typeof own === 'number') return own;
  const epoch = epochOf(value);
  if (epoch === undefined) return null;
  return parseTicketFile(basename(path)) ? epoch - 1 : epoch;
}

/** Pruning ratio of our pruned.pth.tar, and the completed epochs at which its mask was drawn; null for other files. */
export function ticketOf(value: Value): { ratio: number; epoch: number } | null {
  const extras = extrasOf(value);
  const [ratio, epoch] = [extras?.get('ratio'), extras?.get('drawn')];
  return typeof ratio === 'number' && typeof epoch === 'number' ? { ratio, epoch } : null;
}
