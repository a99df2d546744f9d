/** Reads checkpoints that a user or a run names; errors come with the remedy that fits. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/pth';
import { type ReadOptions, readCheckpoint } from '../checkpoint/read';
import { UnreadableFile } from '../checkpoint/refuse';
import { EarlybirdError } from '../errors';
import { parseTicketFile } from './names';

/** Reads the checkpoint that a flag names. Throws ERR_FILE where it is absent, naming tickets nearby. */
export async function readGiven(path: string, flag: string, options: ReadOptions = {}): Promise<Checkpoint> {
  if (!existsSync(path)) {
    const near = await ticketsNear(path);
    const found = near.length > 0 ? `; there are ${near.join(', ')}: give one of them` : ': check the path';
    throw new EarlybirdError('ERR_FILE', `--${flag} ${path} does not exist${found}.`);
  }
  return readCheckpoint(path, options);
}

/** Tickets of a search in the folder of the path, and files of the same name in the folders beside it. */
async function ticketsNear(path: string): Promise<string[]> {
  const [folder, name] = [dirname(path), basename(path)];
  const list = (place: string) => readdir(place).catch(() => [] as string[]);
  const tickets = (await list(folder)).filter((file) => parseTicketFile(file) && file.endsWith('.pth.tar'));
  const beside = (await list(dirname(folder)))
    .map((other) => join(dirname(folder), other, name))
    .filter((file) => existsSync(file));
  return [...tickets.sort().map((file) => join(folder, file)), ...beside.sort()].slice(0, 8);
}

/** Does work on a file that a run made itself. Where the file cannot be read, the message ends with this remedy. */
export async function orRemedy<T>(path: string, remedy: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UnreadableFile && error.file === path
      ? new UnreadableFile(path, error.reason, remedy)
      : error;
  }
}
