/** Writes checkpoints during training: the write of one epoch overlaps the training of the next. */
import { rm } from 'node:fs/promises';
import { linkOrCopyAtomic } from '../atomic';
import { writeCheckpoint } from '../checkpoint/pth';
import type { Value } from '../checkpoint/value';

export class CheckpointWriter {
  private pending: Promise<void> = Promise.resolve();

  /**
   * Starts a write once the previous one is done. `links` are further names of the same file; nothing is written twice.
   * `replaced` is a file that this one makes useless, removed at the end.
   */
  async start(path: string, value: Value, links: readonly string[] = [], replaced?: string): Promise<void> {
    await this.settle();
    // The file to resume from is written last, so that all other names of the epoch exist once it does.
    this.pending = writeNamed([...links, path], value).then(() =>
      replaced ? rm(replaced, { force: true }) : undefined,
    );
    // A failure is thrown by the next settle(); until then it must not count as unhandled.
    this.pending.catch(() => {});
  }

  /** Adds work on the written files, to be done once they are on disk. */
  add(work: () => Promise<void>): void {
    this.pending = this.pending.then(work);
    this.pending.catch(() => {});
  }

  /** Waits until everything is on disk. Throws the error of a failed write. */
  settle(): Promise<void> {
    return this.pending;
  }
}

/** Writes one file under several names, in their order. */
export async function writeNamed([first, ...rest]: readonly string[], value: Value): Promise<void> {
  await writeCheckpoint(first!, value);
  for (const name of rest) await linkOrCopyAtomic(first!, name);
}

/**
 * True where ckpt{epoch} stays under --keep-checkpoints. `searching`: some ticket has not emerged yet. `tickets`: the
 * numbers of epochs that the emerged tickets had completed.
 */
export function isKept(policy: string, epoch: number, searching: boolean, tickets: readonly number[] = []): boolean {
  if (policy === 'all') return true;
  if (policy === 'ticket') return searching;
  if (policy.startsWith('at:')) {
    const completed = policy.slice(3).split(',');
    return completed.includes(String(epoch + 1)) || (completed.includes('2x') && tickets.includes((epoch + 1) / 2));
  }
  const every = /^every:(\d+)$/.exec(policy)?.[1];
  return every !== undefined && (epoch + 1) % Number(every) === 0;
}
