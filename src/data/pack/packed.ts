/**
 * Images that `data pack --cache yuv` has packed: JPEG without their Huffman code, which the training loader reads
 * faster and to the same pixels. cpp/jpeg/packed.c describes, writes and reads the format.
 */
import { crc32 } from 'node:zlib';
import { EarlybirdError } from '../../errors';

/** Packs one JPEG; null where it is stored unchanged. It needs the engine, so the caller passes it in. */
export type JpegPacker = (jpeg: Uint8Array) => Promise<Uint8Array | null>;

/** Extension of a packed image in a shard. */
export const PACKED = 'yuv';
const MAGIC = 'EBYUV ';
const VERSION = '1\n';
const CHECKSUM = 8;
/** Length of magic, version, checksum, number of bytes of the head, and rows. */
const LEAST = 20;

/** True for a packed image, told by its first bytes as the loader does. */
export const isPacked = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, MAGIC.length)).toString('latin1') === MAGIC;

/** Throws where a packed image is of another version or a byte of it has changed. */
export function checkPacked(bytes: Buffer): void {
  if (bytes.toString('latin1', MAGIC.length, CHECKSUM) !== VERSION)
    throw new Error('packed by another release: run `earlybird data pack` again');
  if (bytes.length < LEAST) throw new Error('truncated');
  if (crc32(bytes.subarray(CHECKSUM + 4)) !== bytes.readUInt32LE(CHECKSUM))
    throw new Error('corrupt: its checksum is another');
}

/**
 * Returns the bytes to store for a JPEG, and their extension. A JPEG that the decoder refuses stays as it is, as in
 * shards without a cache.
 */
export async function packedOr(jpeg: Buffer, packer: JpegPacker | null): Promise<{ bytes: Buffer; extension: string }> {
  const packed = await packer?.(jpeg).catch((error: unknown) => {
    if (error instanceof EarlybirdError && error.code === 'ERR_DATASET') return null;
    throw error;
  });
  return packed ? { bytes: Buffer.from(packed), extension: PACKED } : { bytes: jpeg, extension: 'jpg' };
}
