/** Rules of resuming: where a run continues, and when it must not. */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Provenance } from '../engine/provenance';
import { EarlybirdError } from '../errors';
import type { AveragedWeights, RestoredCheckpoint } from '../run/checkpoint';
import { CHECKPOINT, differingKeys, INSIDE_EPOCH, type RunDirectory, type RunState } from '../run/directory';
import type { Observer } from '../run/observer';
import type { RunResult } from '../run/result';

/** The result of a finished run, with paths in the present place of its folder. */
export async function storedResult(directory: RunDirectory): Promise<RunResult> {
  const result = (await directory.readJson<RunResult>('result.json'))!;
  const tickets = Object.entries(result.tickets).map(([key, ticket]) => [
    key,
    { ...ticket, file: directory.file(basename(ticket.file)) },
  ]);
  // The average is absent in results of earlier versions.
  const swa = result.swa ? { ...result.swa, file: directory.file(basename(result.swa.file)) } : null;
  return { ...result, swa, directory: directory.path, tickets: Object.fromEntries(tickets) };
}

/** Hash of the ticket's file as part of the run's identity, as another ticket under the same name makes another run. */
export async function scratchHash(path: string | undefined): Promise<{ scratchSha256?: string }> {
  if (path === undefined) return {};
  const bytes = await readFile(path).catch((error: Error) => {
    throw new EarlybirdError('ERR_FILE', `--scratch ${path} cannot be read: give a pruned.pth.tar.`, String(error));
  });
  return { scratchSha256: createHash('sha256').update(bytes).digest('hex') };
}

const insideOf = (directory: RunDirectory) => directory.file(INSIDE_EPOCH);
export const latestOf = (directory: RunDirectory) => directory.file(CHECKPOINT);
/** Checkpoints that an interrupted run can continue from, newest first. */
const ownCheckpoints = (directory: RunDirectory) => [insideOf(directory), latestOf(directory)];
export const isOwnCheckpoint = (directory: RunDirectory, path: string) =>
  ownCheckpoints(directory).some((file) => resolve(path) === resolve(file));

/** Remedy for a damaged checkpoint of this run. A run with a result counts as finished without its checkpoint. */
export function ownRemedy(directory: RunDirectory, path: string): string {
  if (resolve(path) === resolve(insideOf(directory))) return 'remove it to go on from the last whole epoch';
  const what = existsSync(directory.file('result.json')) ? directory.path : 'it';
  return `remove ${what} to start this stage again`;
}

/**
 * Removes the checkpoints that are newer than `from`, or all of them where it is another file: a later kill must not
 * bring them back.
 */
export async function removeLeftBehind(directory: RunDirectory, from: string | null): Promise<void> {
  const own = ownCheckpoints(directory);
  const at = own.findIndex((file) => from !== null && resolve(file) === resolve(from));
  for (const file of at < 0 ? own : own.slice(0, at)) await rm(file, { force: true });
}

/**
 * The file to continue from: the latest checkpoint of this run, inside an epoch or after one, unless --resume names
 * another start than last time.
 */
export function resumeFile(
  directory: RunDirectory,
  state: RunState,
  asked: string | undefined,
  before: string | undefined,
): string | null {
  if (!(state === 'interrupted' || state === 'continued') || (asked !== undefined && asked !== before))
    return asked ?? null;
  // Where options changed, detection is repeated between epochs only. A kill after the checkpoint of an epoch may have
  // left the file inside it, from which that epoch gives the same result.
  const own = ownCheckpoints(directory).slice(state === 'continued' ? 1 : 0);
  return own.find((file) => existsSync(file)) ?? asked ?? null;
}

/**
 * Throws ERR_RECIPE where a checkpoint from inside an epoch would continue in another run, which has another order of
 * images.
 */
export function refuseForeignInside(directory: RunDirectory, from: string, { inside }: RestoredCheckpoint): void {
  if (!inside || resolve(from) === resolve(insideOf(directory))) return;
  throw new EarlybirdError(
    'ERR_RECIPE',
    `${from} was written inside an epoch and goes on only in its own run: give --resume a checkpoint.pth.tar.`,
  );
}

/**
 * Logs which options of a run changed, and what that means for its learning rates. `from`: the file that it continues
 * from.
 */
export async function logChanges(
  directory: RunDirectory,
  identity: Record<string, unknown>,
  from: string | null,
  { epochs, schedule }: { epochs: number; schedule: readonly number[] },
  observer: Observer | undefined,
): Promise<void> {
  const params = await directory.readJson<{ identity: Record<string, unknown> }>('params.json');
  const there = params?.identity ?? {};
  const how = from === null ? 'starts anew, as no epoch of it was complete,' : 'goes on';
  observer?.log?.(`${directory.path} ${how} with other options (${differingKeys(there, identity).join('; ')})`);
  if (from === null || there.epochs === epochs) return;
  observer?.log?.(
    `note: --epochs ${epochs} instead of ${there.epochs} leaves --schedule ${schedule.join(' ')} as it is: ` +
      'the added epochs go on with its learning rates',
  );
}

/**
 * Throws ERR_RECIPE where no epoch is left. A run that was killed after its last epoch has metrics of its own, and may
 * finish.
 */
export async function refuseEmptyRun(directory: RunDirectory, from: string | null, completed: number, epochs: number) {
  if (completed < epochs || (liesIn(directory, from) && (await directory.readMetrics()).length > 0)) return;
  const [where, remedy] = from ? [` (after ${from})`, ''] : ['', ', or a smaller --start-epoch'];
  throw new EarlybirdError(
    'ERR_RECIPE',
    `Training would begin at epoch ${completed}${where}, which leaves nothing to do before --epochs ${epochs}: give more --epochs${remedy}.`,
  );
}

/**
 * Completed epochs of the first mask. Masks drawn before a checkpoint of another folder are in that folder, if
 * anywhere.
 */
export async function firstMask(directory: RunDirectory, from: string | null, ratio: number, completed: number) {
  return liesIn(directory, from) ? directory.firstMask(ratio, completed) : completed;
}

/**
 * Cuts metrics.jsonl back to the epochs before a checkpoint, and returns them: none where it is of another folder, as
 * the lines here are of other weights.
 */
export const rewound = (directory: RunDirectory, from: string | null, completed: number) =>
  directory.rewind(liesIn(directory, from) ? completed : 0);

const liesIn = (directory: RunDirectory, file: string | null) =>
  file !== null && realpathSync(dirname(file)) === realpathSync(directory.path);

/** Throws ERR_DATASET where the folder holds a run on other images. */
export async function checkDataset(directory: RunDirectory, now: Provenance): Promise<void> {
  const before = await directory.readJson<Partial<Provenance>>('params.json');
  if (!before?.dataset || before.dataset.fingerprint === now.dataset.fingerprint) return;
  throw new EarlybirdError(
    'ERR_DATASET',
    `${directory.path} holds a run on other images (the dataset ${now.dataset.name} has changed since): choose another --save, or give --force.`,
  );
}

/**
 * The mean in a checkpoint; undefined where it includes epochs that this run does not average, as in a run with another
 * start.
 */
export function averageOf(
  { average, completed }: Pick<RestoredCheckpoint, 'average' | 'completed'>,
  swaStart: number,
  observer?: Observer,
): AveragedWeights | undefined {
  if (!average || average.models <= completed - swaStart) return average;
  observer?.log?.(
    `the checkpoint averages ${average.models} epochs, some of them before --swa_start ${swaStart}: the average begins anew`,
  );
  return undefined;
}
