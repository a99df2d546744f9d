/**
 * A cache of decoded images: one file for each source, with a checksum.
 *
 * Layout: magic, length of the header (u32 LE), header (JSON), labels and pixels of train, labels and pixels of test, and the sha256 of
 * all that. Labels are little-endian int32.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { TEMP_NAME, writeFileAtomic } from '../atomic';
import { type ImageSet, SLICE_BYTES } from './dataset';

export interface CachedImages {
  classNames: string[];
  train: ImageSet;
  test: ImageSet;
}

const MAGIC = Buffer.from('earlybird images 1\n');
const MAX_HEADER_BYTES = 1 << 24;

/** Beginning of the names of files that hold images for the training loader (converted.ts). */
export const DECODED = 'decoded-';
/** Days since their last use after which these are removed. */
const KEPT_DAYS = 30;
/** Days since its last change after which a temporary file counts as left by a kill. */
const TEMP_DAYS = 1;

interface Header {
  /** Key of the source files; a cache with another key is out of date. */
  key: string;
  /** Number of bytes of one image. */
  bytes: number;
  classNames: string[];
  train: number;
  test: number;
}

/** The images in a cache file, or null where it is absent, out of date or damaged. */
export async function readCache(file: string, key: string, signal?: AbortSignal): Promise<CachedImages | null> {
  const handle = await open(file, 'r').catch(() => null);
  if (!handle) return null;
  try {
    const hash = createHash('sha256');
    const start = await readBlock(handle, MAGIC.length + 4, hash, signal);
    const headerBytes = Buffer.from(start.buffer).readUInt32LE(MAGIC.length);
    if (!MAGIC.equals(start.subarray(0, MAGIC.length)) || headerBytes > MAX_HEADER_BYTES) return null;
    const text = Buffer.from(await readBlock(handle, headerBytes, hash, signal)).toString('utf8');
    const header = JSON.parse(text) as Header;
    if (header.key !== key) return null;
    const expected = start.length + headerBytes + (header.train + header.test) * (4 + header.bytes) + 32;
    if ((await handle.stat()).size !== expected) return null;
    const readSet = async (count: number): Promise<ImageSet> => ({
      labels: new Int32Array((await readBlock(handle, count * 4, hash, signal)).buffer),
      images: await readBlock(handle, count * header.bytes, hash, signal),
      count,
    });
    const cached = {
      classNames: header.classNames,
      train: await readSet(header.train),
      test: await readSet(header.test),
    };
    const trailer = await readBlock(handle, 32, null, signal);
    return hash.digest().equals(trailer) ? cached : null;
  } catch {
    // The caller rebuilds a damaged cache.
    signal?.throwIfAborted();
    return null;
  } finally {
    await handle.close();
  }
}

/** Writes a cache file. Throws ERR_FILE. */
export async function writeCache(file: string, key: string, images: CachedImages, signal?: AbortSignal): Promise<void> {
  await removeOld(path.dirname(file));
  await writeFileAtomic(file, cacheChunks(key, images), { signal, makeFolder: true });
}

/**
 * Removes from the cache what a kill has left, and images for the loader that nobody has used for long: the time of
 * change of their index is that of the last use. Age alone decides, as processes of other machines may write here. A
 * loader that has opened a file keeps it.
 */
export async function removeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const days = TEMP_NAME.test(name) ? TEMP_DAYS : name.startsWith(DECODED) ? KEPT_DAYS : null;
    if (days === null) continue;
    const place = path.join(folder, name);
    const info = await stat(`${place}.json`)
      .catch(() => stat(place))
      .catch(() => null);
    if (info && Date.now() - info.mtimeMs > days * 86_400_000) await rm(place, { force: true }).catch(() => undefined);
  }
}

function* cacheChunks(key: string, { classNames, train, test }: CachedImages): Generator<Uint8Array> {
  const bytes = train.images.length / train.count;
  const header: Header = { key, bytes, classNames, train: train.count, test: test.count };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  const hash = createHash('sha256');
  for (const block of [MAGIC, size, text, ...[train, test].flatMap((set) => [bytesOf(set.labels), set.images])]) {
    for (let at = 0; at < block.length; at += SLICE_BYTES) {
      const slice = block.subarray(at, at + SLICE_BYTES);
      hash.update(slice);
      yield slice;
    }
  }
  yield hash.digest();
}

/** Reads the next `length` bytes, hashing them slice by slice. Rejects where the file ends early. */
async function readBlock(
  handle: FileHandle,
  length: number,
  hash: Hash | null,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const block = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(block, at, Math.min(SLICE_BYTES, length - at));
    if (bytesRead === 0) throw new Error('the file ends early');
    hash?.update(block.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return block;
}

function bytesOf(labels: Int32Array): Uint8Array {
  return new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength);
}
