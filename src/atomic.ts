/**
 * Writes files that are complete or absent: each is written under a temporary name in the same folder, flushed to the
 * disk, then renamed. A kill leaves the previous file, and at worst a `.<name>.tmp-<pid>-<n>` beside it.
 */
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileError, systemCode } from './errors';
import { makeFolder as makeFolders } from './folder';

/** Matches the name of a temporary file; group 1 is the name of the file, group 2 the process id. */
export const TEMP_NAME = /^\.(.+)\.tmp-(\d+)-\d+$/;

/** True for the name of a temporary file whose process has ended, or is this process. */
function isLeftOver(name: string): boolean {
  const pid = Number(TEMP_NAME.exec(name)?.[2]);
  if (!pid || pid === process.pid) return pid > 0;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}

/** Removes the temporary files of processes that have ended, in a folder and below it. */
export async function sweep(folder: string): Promise<void> {
  const names = await fs.readdir(folder, { recursive: true }).catch(() => [] as string[]);
  for (const name of names)
    if (isLeftOver(path.basename(name))) await fs.rm(path.join(folder, name), { recursive: true, force: true });
}

/** Bytes in one write call: enough for full disk speed, few enough to abort soon. */
const WRITE_BYTES = 1 << 20;

/** Options of the functions that write files. */
export interface WriteOptions {
  /** Aborting leaves the previous file; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Makes the folder of the file where it is not there. */
  makeFolder?: boolean;
}

/** Replaces `file` with `chunks`. Throws ERR_FILE, or the error of the iterator of the chunks. */
export async function writeFileAtomic(
  file: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const whole = typeof chunks === 'string' ? [Buffer.from(chunks)] : ArrayBuffer.isView(chunks) ? [chunks] : chunks;
  await replace(file, options, async (temporary) => {
    const handle = await fs.open(temporary, 'wx');
    try {
      await writeAll(handle, whole, options.signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

/**
 * Makes `to` a hard link of `from`, or a copy where the file system has no links. Suits only files that are replaced: a
 * change in place would show under both names.
 */
export async function linkOrCopyAtomic(from: string, to: string): Promise<void> {
  await replace(to, {}, async (temporary) => {
    try {
      await fs.link(from, temporary);
    } catch (error) {
      if (!['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'].includes(systemCode(error)))
        throw error;
      await fs.copyFile(from, temporary, fs.constants.COPYFILE_EXCL);
      const handle = await fs.open(temporary, 'r+');
      await handle.sync().finally(() => handle.close());
    }
  });
}

/** Lets `fill` create a temporary file and moves it to `file`. */
async function replace(
  file: string,
  { signal, makeFolder }: WriteOptions,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  let temporary = '';
  try {
    if (makeFolder) await makeFolders(path.dirname(file));
    temporary = await withFreshName(file, fill);
    signal?.throwIfAborted();
    await fs.rename(temporary, file);
    await syncFolder(path.dirname(file));
  } catch (error) {
    throw fileError(error, file, 'written');
  } finally {
    // The removal is needed on success too, as a rename between two links of one file keeps both names (POSIX).
    if (temporary) await fs.rm(temporary, { force: true });
  }
}

let counter = 0;

/**
 * Calls `fill` with an unused temporary name. Worker threads share a process id, so a name may exist; the next number
 * is then tried.
 */
async function withFreshName(file: string, fill: (temporary: string) => Promise<void>): Promise<string> {
  for (;;) {
    const temporary = path.join(path.dirname(file), `.${path.basename(file)}.tmp-${process.pid}-${counter++}`);
    try {
      await fill(temporary);
      return temporary;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') continue;
      await fs.rm(temporary, { force: true });
      throw error;
    }
  }
}

/** Gathers small chunks and splits large ones, so that each write is about WRITE_BYTES. */
async function writeAll(
  handle: fs.FileHandle,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  const flush = async () => {
    signal?.throwIfAborted();
    await writeBatch(handle, batch);
    batch = [];
    bytes = 0;
    await setImmediate();
  };
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += WRITE_BYTES) {
      const piece = chunk.subarray(at, at + WRITE_BYTES);
      batch.push(piece);
      bytes += piece.length;
      if (bytes >= WRITE_BYTES) await flush();
    }
  }
  await flush();
}

/** Writes all of the batch in repeated calls, as one call may write only a part. */
async function writeBatch(handle: fs.FileHandle, batch: Uint8Array[]): Promise<void> {
  let rest = batch;
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest);
    const full = rest.findIndex((piece) => {
      bytesWritten -= piece.length;
      return bytesWritten < 0;
    });
    if (full < 0) return;
    rest = rest.slice(full);
    // bytesWritten is now minus the length of the rest of the first piece.
    rest[0] = rest[0]!.subarray(rest[0]!.length + bytesWritten);
  }
}

/** Makes a rename survive a power cut. Some systems cannot open folders. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(systemCode(error))) throw error;
  }
}
