/**
 * Finished shards. progress.jsonl has a line for each until all are made, and a second run continues after the last one.
 */
import { type FileHandle, readdir, readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { sweep, writeFileAtomic } from '../../atomic';
import type { EarlybirdError } from '../../errors';
import { datasetError } from '../errors';
import { inParallel } from '../listing';
import { type Manifest, PROGRESS } from '../shards/manifest';
import type { Plan } from './plan';

/** The list of images that are left out. */
export const BAD_LIST = 'bad.txt';

/** An image that is left out, with the reason. */
export interface BadFile {
  file: string;
  reason: string;
}

/** One finished shard, a line of progress.jsonl. */
export interface Step {
  split: string;
  file: string;
  images: number;
  bytes: number;
  sha256: string;
  /** Position in the order of the split at which the next shard begins. */
  next: number;
  bad: BadFile[];
}

/** True where all shards of a manifest are there with their sizes; `data verify` checks their bytes. */
export async function isWhole(folder: string, { splits }: Manifest): Promise<boolean> {
  const shards = Object.values(splits).flatMap((split) => split.shards);
  const sizes = await inParallel(shards, 8, ({ file }) => sizeOf(path.join(folder, file)));
  return shards.every(({ bytes }, i) => sizes[i] === bytes);
}

/** Size of a file; 0 where it is absent. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (info) => info.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
}

/** The shards that earlier runs finished and that are still there. `ours`: the folder is known to hold shards of this plan. */
export async function readSteps(plan: Plan, ours: boolean): Promise<Step[]> {
  const file = path.join(plan.to, PROGRESS);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  // A kill may leave half a line and half a shard.
  const [head, ...lines] = text.split('\n').slice(0, -1).map(valueIn);
  const names = await readdir(plan.to);
  if (text ? head?.key !== plan.key : !ours && names.some((name) => /\.tar$/i.test(name))) throw foreign(plan.to);
  if (!text && !ours && names.includes(BAD_LIST))
    throw datasetError(
      `${path.join(plan.to, BAD_LIST)} is not from this packing, which would replace it; choose another folder, or move it elsewhere.`,
    );
  await sweep(plan.to);
  const steps: Step[] = [];
  for (const step of lines) {
    // Shards after a missing one, or after a line that was damaged, are made again as well.
    if (!isStep(step)) break;
    const size = await sizeOf(path.join(plan.to, step.file));
    if (size !== step.bytes && step.images > 0) break;
    steps.push(step);
  }
  await writeFileAtomic(file, [{ key: plan.key }, ...steps].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return steps;
}

/** The object in a line; undefined where the line was damaged. */
function valueIn(line: string): (Partial<Step> & { key?: unknown }) | undefined {
  try {
    return JSON.parse(line) ?? undefined;
  } catch {
    return undefined;
  }
}

function isStep(value: Partial<Step> | undefined): value is Step {
  const { split, file, images, bytes, sha256, next, bad } = value ?? {};
  return (
    [split, file, sha256].every((text) => typeof text === 'string') &&
    [images, bytes, next].every((number) => Number.isSafeInteger(number)) &&
    Array.isArray(bad)
  );
}

export async function note(log: FileHandle, step: Step): Promise<void> {
  await log.appendFile(`${JSON.stringify(step)}\n`);
  await log.sync();
}

export function foreign(folder: string): EarlybirdError {
  return datasetError(
    `${folder} holds shards of other images, made with other options or not by data pack; choose another folder, or empty it.`,
  );
}
