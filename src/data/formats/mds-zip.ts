/** Compressions and checksums of MDS shards. */
import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

/** Decompresses to at most `bytes` bytes; null for an unsupported compression. Rejects where the data is damaged. */
export async function unzip(kind: string, zip: Buffer, bytes: number): Promise<Buffer | null> {
  const limit = { maxOutputLength: Math.max(1, bytes) };
  if (kind === 'gz') return gunzipSync(zip, limit);
  if (kind === 'br') return brotliDecompressSync(zip, limit);
  const { decompressSnappy, decompressZstd } = await import('hyparquet-compressors');
  if (kind === 'zstd') return Buffer.from(decompressZstd(zip, new Uint8Array(bytes)));
  return kind === 'snappy' ? Buffer.from(decompressSnappy(zip, bytes)) : null;
}

/** Names in Node of hashes that Python names differently. Hashes that Node lacks, such as xxh64, are not compared. */
const HASHES: Record<string, string> = { blake2b: 'blake2b512', blake2s: 'blake2s256' };

/** False where a checksum differs. */
export function hashesFit(bytes: Buffer, { hashes }: { hashes?: Record<string, string> }): boolean {
  return Object.entries(hashes ?? {}).every(([name, expected]) => {
    const known = HASHES[name] ?? name.replace('sha3_', 'sha3-');
    try {
      return createHash(known).update(bytes).digest('hex') === expected;
    } catch {
      return true;
    }
  });
}
