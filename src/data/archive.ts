/** Files in a .tar.gz or .tar archive, which is read from its beginning to its end. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import * as path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { EarlybirdError } from '../errors';
import { datasetError } from './errors';
import { archiveKind, archiveTitle } from './kinds';

/** The wanted files by their names without folders. Rejects with ERR_DATASET for damage and for files of more than `most` bytes. */
export async function* filesInArchive(
  archive: string,
  wanted: (name: string) => boolean,
  most: number,
  signal?: AbortSignal,
): AsyncGenerator<[string, Buffer]> {
  const kind = archiveKind(await beginningOf(archive));
  if (kind && kind !== '.gz')
    throw datasetError(`${archive} is ${archiveTitle(kind)}, which is not read: unpack it first.`);
  const { extract } = await import('tar-stream');
  const unpacked = extract();
  const source = createReadStream(archive, { highWaterMark: 1 << 20 });
  const flow =
    kind === '.gz'
      ? pipeline(source, createGunzip({ chunkSize: 1 << 20 }), unpacked, { signal })
      : pipeline(source, unpacked, { signal });
  flow.catch(() => undefined);
  try {
    for await (const entry of unpacked) {
      const name = path.posix.basename(entry.header.name);
      if (entry.header.type !== 'file' || !wanted(name)) {
        entry.resume();
        continue;
      }
      if ((entry.header.size ?? 0) > most)
        throw datasetError(
          `${archive}: ${name} has ${entry.header.size} bytes, more than it can have; fetch it again.`,
        );
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      yield [name, Buffer.concat(chunks)];
    }
    await flow;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof EarlybirdError) throw error;
    throw datasetError(`${archive} is cut off or damaged (${(error as Error).message}); remove it and fetch it again.`);
  } finally {
    source.destroy();
  }
}

async function beginningOf(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    return (await handle.read(Buffer.alloc(8), 0, 8, 0)).buffer;
  } finally {
    await handle.close();
  }
}
