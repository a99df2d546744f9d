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
  const [head, ...lines] = text.split('\n').slice(0, -1);
  const names = await readdir(plan.to);
  if (head !== undefined ? keyIn(head) !== plan.key : !ours && names.some((name) => name.endsWith('.tar')))
    throw foreign(plan.to);
  await sweep(plan.to);
  const steps: Step[] = [];
  for (const line of lines) {
    const step = JSON.parse(line) as Step;
    const size = await sizeOf(path.join(plan.to, step.file));
    // Shards after a missing one are made again as well.
    if (size !== step.bytes && step.images > 0) break;
    steps.push(step);
  }
  await writeFileAtomic(file, [{ key: plan.key }, ...steps].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return steps;
}

function keyIn(head: string): unknown {
  try {
    return (JSON.parse(head) as { key?: unknown } | null)?.key;
  } catch {
    return undefined;
  }
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
