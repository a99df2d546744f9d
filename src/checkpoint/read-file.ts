import { constants } from 'node:buffer';
import * as fs from 'node:fs/promises';
import { EarlybirdError, fileError } from '../errors';

/** Bytes per read call: large reads are fastest, but one call takes at most 2 GiB. */
const READ_BYTES = 16 << 20;

/** Reads a whole file into memory without blocking the event loop. Throws ERR_FILE. The bytes are the caller's own. */
export async function readWholeFile(file: string): Promise<Uint8Array> {
  try {
    const handle = await fs.open(file, 'r');
    try {
      return await readAll(handle, file);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, file, 'read');
  }
}

async function readAll(handle: fs.FileHandle, file: string): Promise<Uint8Array> {
  const status = await handle.stat();
  if (status.isDirectory()) throw new EarlybirdError('ERR_FILE', `${file} is a folder; name a file in it`);
  if (!status.isFile())
    throw new EarlybirdError('ERR_FILE', `${file} is not a regular file; copy its content into one first`);
  if (status.size > constants.MAX_LENGTH)
    throw new EarlybirdError(
      'ERR_FILE',
      `${file} is larger than this Node.js can hold in one piece; use a newer Node.js`,
    );
  // Memory of the shared pool would stay alive with every tensor of the file that is kept.
  const bytes = Buffer.allocUnsafeSlow(status.size);
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(READ_BYTES, bytes.length - at), at);
    if (bytesRead === 0) throw new EarlybirdError('ERR_FILE', `${file} became shorter while it was read; try again`);
    at += bytesRead;
  }
  return bytes;
}
