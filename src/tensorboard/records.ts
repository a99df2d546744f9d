/**
 * Frames records as TFRecord, which event files use: length, its checksum, the record, its checksum
 * (tensorflow/core/lib/io/record_writer.h).
 */
import { buf as crc32c } from 'crc-32/crc32c';

export function framed(records: readonly Uint8Array[]): Buffer {
  return Buffer.concat(records.flatMap((record) => [head(record.length), record, checksum(record)]));
}

function head(length: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([size, checksum(size)]);
}

/** CRC-32C, masked as TFRecord requires so that data which contains checksums gets no special value. */
function checksum(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes) >>> 0;
  const rotated = ((crc >>> 15) | (crc << 17)) >>> 0;
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((rotated + 0xa282ead8) >>> 0);
  return masked;
}
