/** Identifies the network of a checkpoint, and defines how our files record it. */
import { extrasOf } from '../checkpoint/extras';
import { cfgOf, stateDictOf } from '../checkpoint/keys';
import type { Dict, Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { Cfg, ModelDescription } from '../native/types/model';
import type { Arch } from '../native/types/network-data';
import type { NumberFormats } from '../native/types/number-formats';
import { differingLayer, isSameArch, networkFromText, networkText } from '../network/file';
import { inferNetwork, isSameNetwork } from '../network/infer';
import { archName, DEFAULT_NETWORK, defaultDepth } from '../network/names';
import type { StateDict } from '../tensor';
import { formatsFrom, formatsValue } from './checkpoint-formats';

/** Normalisation of the images that a network was trained on, by channel, for pixels scaled to [0, 1]. */
export interface Normalisation {
  mean: [number, number, number];
  std: [number, number, number];
}

interface NetworkInfo {
  arch: Arch;
  depth: number;
  classes: number;
  cfg: Cfg;
  /** Side of the images it was trained on, pixels; absent in files of other programs. */
  imageSize?: number;
  /** Normalisation; absent in files of other programs, and in those of our versions that did not record it. */
  normalisation?: Normalisation | undefined;
  /** Number formats; absent in full precision. */
  formats?: NumberFormats | undefined;
}

/** A network in memory, with the facts that its files need. */
export interface ModelInfo extends NetworkInfo {
  /** Keys of its convolutions. */
  convolutions: readonly string[];
}

export function modelInfo(
  description: ModelDescription,
  formats: NumberFormats | undefined,
  normalisation?: Normalisation,
): ModelInfo {
  const { arch, depth, classes, cfg, input, layers } = description;
  const convolutions = layers.flatMap(({ kind, key }) => (kind === 'conv' ? [key] : []));
  return { arch, depth, classes, cfg, imageSize: input[1], normalisation, formats, convolutions };
}

/** Entries of the `earlybird` dictionary of a checkpoint, from which other commands read the network. */
export function networkEntries(network: NetworkInfo): [string, Value][] {
  const { arch, depth, classes, cfg, imageSize, normalisation, formats } = network;
  return [
    ['arch', archName(arch)],
    ...(typeof arch === 'string' ? [] : [['network', networkText(arch)] as [string, Value]]),
    ['depth', depth],
    ['classes', classes],
    ['cfg', [...cfg]],
    ['image_size', imageSize ?? null],
    ...(normalisation
      ? [['mean', [...normalisation.mean]] as [string, Value], ['std', [...normalisation.std]] as [string, Value]]
      : []),
    ['formats', formatsValue(formats)],
  ];
}

/** Reads the network as far as a checkpoint records it. Throws ERR_CHECKPOINT for an impossible cfg. */
export function checkpointNetwork(value: Value, name: string): Partial<NetworkInfo> {
  const extras = extrasOf(value) ?? new Map<string, Value>();
  const [depth, classes, imageSize] = ['depth', 'classes', 'image_size'].map((key) => extras.get(key));
  const arch = archFrom(extras, name);
  const cfg = cfgOf(value, name) ?? cfgOf(extras, name);
  const formats = formatsFrom(extras.get('formats'), name);
  const normalisation = normalisationFrom(extras, name);
  return {
    ...(arch === undefined ? {} : { arch }),
    ...(typeof depth === 'number' ? { depth } : {}),
    ...(typeof classes === 'number' ? { classes } : {}),
    ...(cfg ? { cfg } : {}),
    ...(typeof imageSize === 'number' ? { imageSize } : {}),
    ...(normalisation ? { normalisation } : {}),
    ...(formats ? { formats } : {}),
  };
}

/** Reads the architecture; for a network that is data the file holds all of it. */
function archFrom(extras: Dict, name: string): Arch | undefined {
  const [arch, network] = [extras.get('arch'), extras.get('network')];
  if (typeof network === 'string') return networkFromText(network, name);
  return typeof arch === 'string' ? arch : undefined;
}

/** Reads the normalisation; undefined where it is not recorded. */
function normalisationFrom(extras: Dict, name: string): Normalisation | undefined {
  const [mean, std] = [extras.get('mean'), extras.get('std')];
  if (mean === undefined && std === undefined) return undefined;
  const isThree = (value: Value | undefined): value is [number, number, number] =>
    Array.isArray(value) && value.length === 3 && value.every((entry) => Number.isFinite(entry));
  if (isThree(mean) && isThree(std) && std.every((entry) => entry > 0)) return { mean, std };
  throw new EarlybirdError(
    'ERR_CHECKPOINT',
    `${name} records a normalisation of images that is not three means and three positive deviations (mean ${mean}, deviation ${std}): save its weights alone, or take another file.`,
  );
}

/** The weights of a checkpoint for this network, as {@link stateDictOf} reads them. */
export function weightsOf(arch: Arch | undefined, value: Value, name: string, log?: (line: string) => void): StateDict {
  return stateDictOf(value, name, log, typeof arch === 'object' ? arch.layers : undefined);
}

/** Number of rows of the last layer of a network that is data. */
function classesBy(arch: Arch, state: StateDict): number | undefined {
  return typeof arch === 'string' ? undefined : state.get(`${arch.layers.at(-1)!.name}.weight`)?.shape[0];
}

/**
 * Determines the network of a checkpoint: as given, else as the checkpoint records, else as the keys and shapes of its
 * weights show, else the reference's default. Throws ERR_CHECKPOINT where record or weights show another depth than the
 * given one.
 */
export function networkFor(
  given: { arch?: Arch | undefined; depth?: number | undefined; cfg?: Cfg | undefined },
  value: Value,
  name: string,
): Pick<NetworkInfo, 'arch' | 'depth'> & Partial<NetworkInfo> {
  const recorded = checkpointNetwork(value, name);
  const state = weightsOf(given.arch, value, name);
  const seen = inferNetwork(state);
  refuseOtherNetwork(given.arch, recorded.arch, name);
  const arch = given.arch ?? recorded.arch ?? seen?.arch ?? DEFAULT_NETWORK;
  const own = seen && isSameNetwork(seen.arch, arch) ? seen : undefined;
  const recordedDepth = recorded.arch !== undefined && isSameArch(recorded.arch, arch) ? recorded.depth : undefined;
  const depth = given.depth ?? recordedDepth ?? own?.depth ?? defaultDepth(arch);
  if (recordedDepth !== undefined && recordedDepth !== depth)
    throw otherDepth(name, arch, depth, recordedDepth, 'record');
  const classes = recorded.classes ?? classesBy(arch, state) ?? seen?.classes;
  const cfg = given.cfg ?? recorded.cfg;
  const network = { ...recorded, ...(classes === undefined ? {} : { classes }), arch, depth };
  if (cfg) return { ...network, cfg };
  if (own && own.depth !== depth) throw otherDepth(name, arch, depth, own.depth, 'keys');
  return own ? { ...network, cfg: own.cfg } : network;
}

const otherDepth = (name: string, arch: Arch, given: number, found: number, by: string) =>
  new EarlybirdError(
    'ERR_CHECKPOINT',
    `${name} holds a ${archName(arch)} of depth ${found} by its ${by}, not ${given}: give --depth ${found}, or none.`,
  );

/**
 * Throws ERR_CHECKPOINT where layers of the given network compute something else than those of the same names in the
 * recorded one. Strides, paddings and the limits of a ReLU do not show in the shapes of weights.
 */
export function refuseOtherNetwork(given: Arch | undefined, recorded: Arch | undefined, name: string): void {
  const layer = given && recorded && differingLayer(given, recorded);
  if (layer === undefined) return;
  throw new EarlybirdError(
    'ERR_CHECKPOINT',
    `${name} holds weights of the network ${archName(recorded!)}, whose layer ${layer} computes something else than that of ${archName(given!)}: give no --arch, or save its weights alone, torch.save(model.state_dict(), ...).`,
  );
}

/** Pruning ratio of our pruned.pth.tar, and the completed epochs at which its mask was drawn; null for other files. */
export function ticketOf(value: Value): { ratio: number; epoch: number } | null {
  const extras = extrasOf(value);
  const [ratio, epoch] = [extras?.get('ratio'), extras?.get('drawn')];
  return typeof ratio === 'number' && typeof epoch === 'number' ? { ratio, epoch } : null;
}
