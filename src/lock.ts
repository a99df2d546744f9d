/**
 * Ensures that one process at a time writes to a folder. A lock is a small file in the folder that names the writing
 * process. It counts as long as that process lives; the lock of a killed process is taken over.
 */
import { createHash, randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { constants, copyFile, link, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EarlybirdError, fileError, systemCode } from './errors';
import { makeFolder } from './folder';

/** The lock of a run, a ticket or a dataset that is being made. */
const WHOLE = '.earlybird.lock';
/** The lock of files that are computed from a run, such as its figures: they may be made while the run goes on. */
export const DERIVED = '.earlybird-figures.lock';

interface Owner {
  pid: number;
  host: string;
  /**
   * Start of the process in clock ticks after boot, which tells it from a later process of the same number; null where
   * unknown.
   */
  start: string | null;
  /** Boot that `pid` belongs to; a number is unique within a boot and a namespace. */
  boot: string | null;
  namespace: string | null;
  since: string;
}

/** A folder that this process may write to, until it is disposed of. */
export class FolderLock implements Disposable {
  constructor(
    readonly folder: string,
    private readonly file: string,
    private readonly text: string,
    private readonly made: readonly string[],
    /** Error that says why nothing can be written here; null where the lock is held. */
    private readonly refused: unknown,
  ) {
    if (refused === null) held.add(this);
  }

  /** True where files can be written here. */
  get writable(): boolean {
    return this.refused === null;
  }

  /** Throws ERR_FILE where the folder can only be read. */
  requireWritable(): void {
    if (this.refused !== null) throw this.refused;
  }

  /** Releases the folder, and removes it where it was made for the lock and is still empty. */
  [Symbol.dispose](): void {
    if (!held.delete(this)) return;
    try {
      if (readFileSync(this.file, 'utf8') === this.text) rmSync(this.file);
      for (const folder of this.made.toReversed()) if (readdirSync(folder).length === 0) rmdirSync(folder);
    } catch {
      // A lock file that stays behind names a process that has ended.
    }
  }
}

const held = new Set<FolderLock>();
let watching = false;

/** Releases all locks of this process, before an end that runs no `finally`. */
export function releaseLocks(): void {
  for (const lock of [...held]) lock[Symbol.dispose]();
}

function releaseAtExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', releaseLocks);
}

/**
 * Makes the folder where it is not there, and takes its lock before anything in it is changed.
 *
 * @param options `name`: DERIVED for files computed from a run; `wait`: milliseconds to wait for another process
 * @throws ERR_BUSY where another process holds it, ERR_FILE where the folder cannot be made
 */
export async function lockFolder(
  folder: string,
  { name = WHOLE, wait = 0 }: { name?: string; wait?: number } = {},
): Promise<FolderLock> {
  releaseAtExit();
  const file = join(folder, name);
  const text = `${JSON.stringify(thisProcess())}\n`;
  const made: string[] = [];
  const end = Date.now() + wait;
  for (let vanished = 0; ; ) {
    made.push(...(await makeFolder(folder)));
    try {
      const owner = await take(file, text);
      if (owner === null) {
        await sweepGuards(file);
        return new FolderLock(folder, file, text, made, null);
      }
      if (Date.now() >= end) throw inUse(folder, file, owner);
      await sleep(100);
    } catch (error) {
      const code = systemCode(error);
      // Another holder may have removed the empty folder on its release.
      if (code === 'ENOENT' && vanished++ < 20) continue;
      const reason = fileError(error, file, 'written');
      if (!['EROFS', 'EACCES', 'EPERM'].includes(code)) throw reason;
      return new FolderLock(folder, file, text, made, reason);
    }
  }
}

/** True while a living process writes in the folder. */
export async function isInUse(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, WHOLE), 'utf8').catch(() => null);
  const owner = text === null ? null : ownerIn(text);
  return owner !== null && isAlive(owner);
}

function inUse(folder: string, file: string, owner: Owner): EarlybirdError {
  const { pid, host, since } = owner;
  const who = pid === process.pid && host === hostname() ? `this process (${pid})` : `process ${pid} on ${host}`;
  const how = isJudged(owner)
    ? 'wait for it, or end it'
    : `whether that process lives cannot be seen from here: wait for it, or remove ${file} if it has ended, or if this folder is a copy of the one that it uses`;
  return new EarlybirdError('ERR_BUSY', `${folder} is in use by ${who} since ${since}; ${how}.`);
}

/** Starts at random, as machines and containers that share a folder may have the same process ids. */
let counter = randomInt(2 ** 31);

/**
 * Creates `file` with this text. Returns null, or the living process that holds the file. The file of a dead process is
 * replaced under a lock of its own, named by a hash of the old text, so that only one of several processes replaces it
 * and none replaces its successor.
 */
async function take(file: string, text: string): Promise<Owner | null> {
  const temporary = join(dirname(file), `.${basename(file)}.tmp-${process.pid}-${counter++}`);
  try {
    for (;;) {
      await writeWhole(temporary, text);
      if (await linkNew(temporary, file)) return null;
      const there = await readWhole(file);
      if (there === null) continue;
      const owner = ownerIn(there);
      if (owner && isAlive(owner)) return owner;
      const guard = `${file}-${createHash('sha256').update(there).digest('hex').slice(0, 12)}`;
      const other = await take(guard, text);
      if (other) return other;
      try {
        if ((await readWhole(file)) !== there) continue;
        await rename(temporary, file);
        return null;
      } finally {
        await rm(guard, { force: true });
      }
    }
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Removes locks of processes that were killed while they replaced the lock of a dead one. Only the holder of the folder
 * calls it.
 */
async function sweepGuards(file: string): Promise<void> {
  for (const name of await readdir(dirname(file))) {
    if (!name.startsWith(`${basename(file)}-`)) continue;
    const guard = join(dirname(file), name);
    const there = await readWhole(guard);
    const owner = there === null ? null : ownerIn(there);
    if (owner && !isAlive(owner)) await rm(guard, { force: true });
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.write(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/**
 * Links `from` as `to`. False where `to` exists, or where the holder of the folder has removed `from`: the caller then
 * tries again.
 */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch((error) => {
      if (NO_LINKS.includes(systemCode(error))) return copyFile(from, to, constants.COPYFILE_EXCL);
      throw error;
    });
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes(systemCode(error))) return false;
    throw error;
  }
}

/**
 * The text of a file; null where it is absent. A file without an owner may be in the middle of a copy, so it gets half
 * a second.
 */
async function readWhole(file: string): Promise<string | null> {
  for (let tries = 0; ; tries++) {
    const text = await readFile(file, 'utf8').catch((error) => {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (text === null || ownerIn(text) || tries === 5) return text;
    await sleep(100);
  }
}

/** The owner that a text names; null for a text without one, as a power cut may leave it. */
function ownerIn(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    return Number.isSafeInteger(owner?.pid) && owner!.pid! > 0 && typeof owner!.host === 'string'
      ? (owner as Owner)
      : null;
  } catch {
    return null;
  }
}

function thisProcess(): Owner {
  return {
    pid: process.pid,
    host: hostname(),
    start: statOf(process.pid)?.start ?? null,
    boot: bootId(),
    namespace: namespaceId(),
    since: new Date()
      .toISOString()
      .replace('T', ' ')
      .replace(/\.\d+Z/, ' UTC'),
  };
}

/** True where this process can tell whether the owner lives: not on another machine or in another container. */
function isJudged({ host, boot, namespace }: Owner): boolean {
  return host === hostname() && (boot !== bootId() || namespace === namespaceId());
}

/** True while the owner lives, or where that cannot be seen from here. */
function isAlive(owner: Owner): boolean {
  if (!isJudged(owner)) return true;
  const { pid, start, boot } = owner;
  if (boot !== bootId()) return false;
  const found = statOf(pid);
  if (found) return !found.ended && (start === null || start === found.start);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/**
 * Start time and state from /proc/PID/stat, whose second field is a name in brackets. Null for hidden processes, and on
 * systems without /proc.
 */
function statOf(pid: number): { start: string; ended: boolean } | null {
  const text = textOf(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended, though its parent has not yet asked for its exit code.
  return fields?.[19] === undefined ? null : { start: fields[19], ended: ['Z', 'X'].includes(fields[0]!) };
}

const bootId = () => textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
const namespaceId = () => textOf(() => readlinkSync('/proc/self/ns/pid'));

function textOf(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
