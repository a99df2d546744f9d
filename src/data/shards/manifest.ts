/**
 * Reads manifest.json, which describes the shards that `data pack` made. Until all are made, progress.jsonl is there
 * instead.
 */
import { readFile } from 'node:fs/promises';
import * as path from 'node:path';
import { datasetError, nullIfAbsent } from '../errors';

export const MANIFEST = 'manifest.json';
export const PROGRESS = 'progress.jsonl';
const FORMAT = 'earlybird shards 1';

/** Entry of a shard in a {@link Manifest}. */
export interface ManifestShard {
  file: string;
  images: number;
  bytes: number;
  sha256: string;
}

/** Content of manifest.json. */
export interface Manifest {
  format: typeof FORMAT;
  /** Key that changes with the list of images and the options. */
  key: string;
  /** Options as given to {@link pack}. */
  options: { shortSide: number | null; maxSide: number | null; quality: number; shardSize: string; cache?: 'yuv' };
  classes: string[];
  splits: Record<string, { images: number; bad: number; bytes: number; shards: ManifestShard[] }>;
}

/** Reads the manifest; null where there is none. Rejects with ERR_DATASET for a file that `data pack` did not write. */
export async function readManifest(root: string): Promise<Manifest | null> {
  const place = path.join(root, MANIFEST);
  const text = await textOf(place);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (isManifest(value)) return value;
  } catch {
    // Text that is not JSON gets the error below.
  }
  throw datasetError(
    `${place} is damaged or not from "earlybird data pack"; move it elsewhere, or pack the images again into an empty folder.`,
  );
}

/** True for a folder in which `data pack` was interrupted. */
export async function isUnfinished(root: string): Promise<boolean> {
  if ((await textOf(path.join(root, MANIFEST))) !== null) return false;
  return (await textOf(path.join(root, PROGRESS)))?.startsWith('{"key":') ?? false;
}

/** Text of a file; null where it is absent. Rejects on other failures. */
async function textOf(place: string): Promise<string | null> {
  return readFile(place, 'utf8').catch(nullIfAbsent);
}

function isManifest(value: unknown): value is Manifest {
  const { format, key, classes, splits } = (value ?? {}) as Partial<Manifest>;
  return (
    format === FORMAT &&
    typeof key === 'string' &&
    Array.isArray(classes) &&
    classes.every((name) => typeof name === 'string') &&
    typeof splits === 'object' &&
    Object.values(splits ?? {}).every((split) => Array.isArray(split?.shards) && split.shards.every(isShard))
  );
}

function isShard(value: unknown): value is ManifestShard {
  const { file, images, bytes, sha256 } = (value ?? {}) as Partial<ManifestShard>;
  return [file, sha256].every((x) => typeof x === 'string') && [images, bytes].every((x) => typeof x === 'number');
}
