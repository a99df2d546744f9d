/**
 * Writes an archive as PyTorch does: entries are stored, their data is aligned to 64 bytes (so that it can be
 * memory-mapped), and zip64 is used where sizes need it. Times are constant, so equal content gives equal bytes.
 */
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

export interface ZipRecord {
  name: string;
  data: Uint8Array;
}

interface Written {
  name: Buffer;
  crc: number;
  size: number;
  headerAt: number;
}

const ALIGNMENT = 64;
const MAX32 = 0xffffffff;
const MAX16 = 0xffff;
/** Flag that names are UTF-8. */
const FLAGS = 0x0800;
/** 1 January 1980, the earliest date a zip can hold. */
const DATE = 0x0021;
const CRC_CHUNK = 1 << 20;

/**
 * The archive in chunks. `records` are consumed one by one; `closing` makes the last ones from the CRCs of all before.
 * The event loop runs between megabytes.
 */
export async function* zipChunks(
  records: Iterable<ZipRecord>,
  closing: (crcs: number[]) => ZipRecord[],
): AsyncGenerator<Uint8Array> {
  const written: Written[] = [];
  let at = 0;
  async function* entry(record: ZipRecord): AsyncGenerator<Uint8Array> {
    const done = {
      name: Buffer.from(record.name),
      crc: await crcInSteps(record.data),
      size: record.data.length,
      headerAt: at,
    };
    const header = localHeader(done);
    written.push(done);
    at += header.length + record.data.length;
    yield header;
    yield record.data;
  }
  for (const record of records) yield* entry(record);
  for (const record of closing(written.map(({ crc }) => crc))) yield* entry(record);
  yield directory(written, at);
}

async function crcInSteps(data: Uint8Array): Promise<number> {
  let crc = 0;
  for (let at = 0; at < data.length; at += CRC_CHUNK) {
    crc = crc32(data.subarray(at, at + CRC_CHUNK), crc);
    if (data.length > CRC_CHUNK) await setImmediate();
  }
  return crc;
}

/**
 * A local header, with an extra field of padding (id "FB", as PyTorch names it) that brings the data to a multiple of
 * 64 bytes.
 */
function localHeader({ name, crc, size, headerAt }: Written): Buffer {
  const wide = size >= MAX32;
  const zip64 = wide ? extra(0x0001, [size, size]) : Buffer.alloc(0);
  const unpadded = headerAt + 30 + name.length + zip64.length + 4;
  const padding = Buffer.alloc(4 + ((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT));
  padding.write('FB');
  padding.writeUInt16LE(padding.length - 4, 2);

  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(wide ? 45 : 20, 4);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(DATE, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(Math.min(size, MAX32), 18);
  header.writeUInt32LE(Math.min(size, MAX32), 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(zip64.length + padding.length, 28);
  return Buffer.concat([header, name, zip64, padding]);
}

/** The central directory, which starts at `at`, and the end records. */
function directory(written: Written[], at: number): Buffer {
  const entries = Buffer.concat(written.map(centralHeader));
  const parts = [entries];
  if (written.length >= MAX16 || entries.length >= MAX32 || at >= MAX32) {
    const end = Buffer.alloc(56);
    end.writeUInt32LE(0x06064b50, 0);
    end.writeBigUInt64LE(44n, 4);
    end.writeUInt16LE(45, 12);
    end.writeUInt16LE(45, 14);
    end.writeBigUInt64LE(BigInt(written.length), 24);
    end.writeBigUInt64LE(BigInt(written.length), 32);
    end.writeBigUInt64LE(BigInt(entries.length), 40);
    end.writeBigUInt64LE(BigInt(at), 48);
    const locator = Buffer.alloc(20);
    locator.writeUInt32LE(0x07064b50, 0);
    locator.writeBigUInt64LE(BigInt(at + entries.length), 8);
    locator.writeUInt32LE(1, 16);
    parts.push(end, locator);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(written.length, MAX16), 8);
  end.writeUInt16LE(Math.min(written.length, MAX16), 10);
  end.writeUInt32LE(Math.min(entries.length, MAX32), 12);
  end.writeUInt32LE(Math.min(at, MAX32), 16);
  return Buffer.concat([...parts, end]);
}

function centralHeader({ name, crc, size, headerAt }: Written): Buffer {
  const wide = [...(size >= MAX32 ? [size, size] : []), ...(headerAt >= MAX32 ? [headerAt] : [])];
  const zip64 = wide.length > 0 ? extra(0x0001, wide) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(wide.length > 0 ? 45 : 20, 4);
  header.writeUInt16LE(wide.length > 0 ? 45 : 20, 6);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt16LE(DATE, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(Math.min(size, MAX32), 20);
  header.writeUInt32LE(Math.min(size, MAX32), 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(zip64.length, 30);
  header.writeUInt32LE(Math.min(headerAt, MAX32), 42);
  return Buffer.concat([header, name, zip64]);
}

function extra(id: number, values: number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(id, 0);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [i, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  return field;
}
