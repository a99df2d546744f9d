/**
 * Reads checkpoints in the forms that people have: a file, an index of several files, or the folder that a tool made.
 */
import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EarlybirdError } from '../errors';
import { METADATA, readDistributed } from './distributed/read';
import { weightsAt } from './places';
import { type Checkpoint, parseCheckpoint } from './pth';
import { readWholeFile } from './read-file';
import { isIndexName, readSharded } from './sharded';

/** Options of {@link readCheckpoint}. */
export interface ReadOptions {
  /** Dotted path of the weights, such as "models.student"; they become the `state_dict` of the value. */
  key?: string | undefined;
}

/**
 * Reads a checkpoint that PyTorch, earlybird or a safetensors library wrote: one file, the index of a sharded one, or a folder (of
 * torch.distributed.checkpoint, of Hugging Face's or accelerate's tools). Nothing in it is run: Python objects other than plain data and
 * tensors are {@link Opaque} leaves. Tensors are views of the file's bytes and may be unaligned; {@link numbersOf} reads them. Throws
 * ERR_FILE, or ERR_CHECKPOINT for a file of another kind or a damaged one.
 *
 * @example
 * ```ts
 * const { value } = await readCheckpoint('model_best.pth.tar');
 * const weights = stateDictOf(value);
 * console.log(cfgOf(value), weights.get('feature.0.weight')?.shape);
 * ```
 */
export async function readCheckpoint(file: string, { key }: ReadOptions = {}): Promise<Checkpoint> {
  const { format, value } = await readAny(file);
  return { format, value: weightsAt(value, key, file) };
}

/**
 * Reads as {@link readCheckpoint} does, and adds the number of bytes of all its files. `whole`: the file's bytes, where
 * they have been read.
 */
export async function readAny(file: string, whole?: Uint8Array): Promise<Checkpoint & { bytes: number }> {
  const place = whole ? file : await placeOf(file);
  if (isIndexName(place)) return readSharded(place);
  if (basename(place) === METADATA) return readDistributed(dirname(place));
  const bytes = whole ?? (await readWholeFile(place));
  return { ...parseCheckpoint(bytes, place), bytes: bytes.length };
}

/**
 * Usual names of weights in folders of Hugging Face's and accelerate's tools; an index is looked for before its shards.
 */
const USUAL = ['model.safetensors', 'pytorch_model.safetensors', 'pytorch_model.bin', 'model.pth', 'model.pt'];

/**
 * The file to read for `path`: itself, unless it is a folder. Throws ERR_FILE for a folder that holds no checkpoint of
 * its own.
 */
export async function placeOf(path: string): Promise<string> {
  if (path.endsWith('.distcp')) return join(dirname(path), METADATA);
  const names = await fs.readdir(path).catch(() => null);
  if (!names) return path;
  const found =
    names.find((name) => name === METADATA) ??
    names.sort().find((name) => isIndexName(name)) ??
    USUAL.find((name) => names.includes(name));
  if (found) return join(path, found);
  if (names.some((name) => name.endsWith('.distcp')))
    throw new EarlybirdError(
      'ERR_FILE',
      `${path} has parts of a distributed checkpoint but no ${METADATA}, so its saving did not end; take an earlier one`,
    );
  throw new EarlybirdError('ERR_FILE', `${path} is a folder; name a file in it`);
}
