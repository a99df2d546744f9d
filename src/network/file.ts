/** Networks in files: those of the user, and those that come with the package. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EarlybirdError, fileError } from '../errors';
import type { Arch, LayerData, NetworkData } from '../native/types/network-data';
import { packageRoot } from '../package';
import { isShipped } from './names';
import { parseNetwork } from './schema';

const MOST_BYTES = 4 << 20;

/**
 * The network that --arch names. A path that ends in .json, or the name of a network that comes with the package as
 * data, is read; any other name stays, as that of a built-in network. A network that is data is checked. Throws
 * ERR_FILE, ERR_MODEL.
 */
export function networkOf(arch: unknown): unknown {
  if (typeof arch === 'object' && arch !== null) return parseNetwork(arch, 'The "arch" of the recipe');
  if (typeof arch !== 'string') return arch;
  if (isShipped(arch)) return readNetwork(join(packageRoot, 'networks', `${arch}.json`));
  return arch.endsWith('.json') ? readNetwork(arch) : arch;
}

/** Reads a network from a JSON file. Throws ERR_FILE where it cannot be read, ERR_MODEL where it is not a network. */
export function readNetwork(path: string): NetworkData {
  return parseNetwork(jsonOf(path), path);
}

function jsonOf(path: string): unknown {
  const text = textOf(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EarlybirdError('ERR_MODEL', `${path} is not valid JSON (${(error as Error).message}): correct it.`);
  }
}

function textOf(path: string): string {
  try {
    if (statSync(path).size <= MOST_BYTES) return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  throw new EarlybirdError('ERR_MODEL', `${path} has more than 4 MiB, as no network has: name another file.`);
}

/** Text of a network, as a checkpoint stores it. */
export const networkText = (network: NetworkData): string => JSON.stringify(network);

/** Reads `networkText` of a checkpoint. Throws ERR_CHECKPOINT. */
export function networkFromText(text: string, name: string): NetworkData {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `The network in ${name} is not valid JSON: it is damaged.`,
      String(error),
    );
  }
  return parseNetwork(value, `The network in ${name}`, 'ERR_CHECKPOINT');
}

/** True where both are the same built-in network, or equal data. */
export function isSameArch(a: Arch, b: Arch): boolean {
  return (typeof a === 'string' ? a : networkText(a)) === (typeof b === 'string' ? b : networkText(b));
}

/**
 * Name of the first layer whose settings differ between two networks that are data. Widths are not compared, as pruning
 * changes them.
 */
export function differingLayer(a: Arch, b: Arch): string | undefined {
  if (typeof a === 'string' || typeof b === 'string') return undefined;
  const settings = (layer: LayerData) => JSON.stringify({ ...layer, inputs: 0, out: 0, groups: 0 });
  const others = new Map(b.layers.map((layer) => [layer.name, settings(layer)]));
  return a.layers.find((layer) => (others.get(layer.name) ?? settings(layer)) !== settings(layer))?.name;
}
