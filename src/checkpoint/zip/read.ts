/**
 * Reads the zip archives PyTorch writes, from memory. Entries are looked up in the central directory and checked
 * against their local headers and CRCs; stored entries (all that PyTorch writes) are returned without a copy.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { type Budget, refuse } from '../refuse';

interface Entry {
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  headerAt: number;
}

const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const END64_LOCATOR_SIGNATURE = 0x07064b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const ZIP64_EXTRA = 0x0001;
const ENCRYPTED = 1;

/** An archive; `names` are in the order of its directory. */
export class ZipArchive {
  private readonly entries = new Map<string, Entry>();
  private readonly view: DataView;
  /** Start of the central directory; entries end before it. */
  private directoryAt = 0;

  /** Opens an archive in memory. Throws ERR_CHECKPOINT, whose message is a clause. */
  constructor(
    private readonly bytes: Uint8Array,
    private readonly budget: Budget,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.readDirectory();
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /**
   * Bytes of an entry, with its CRC checked: a view into the archive where it is stored, else inflated within the
   * budget.
   */
  read(name: string): Uint8Array {
    const entry = this.entries.get(name);
    if (!entry) refuse(`the record ${JSON.stringify(name)} is missing from the archive`);
    const packed = this.packedBytes(name, entry);
    const bytes = entry.method === 0 ? packed : this.inflate(name, entry, packed);
    if (bytes.length !== entry.size) refuse(`the record ${JSON.stringify(name)} is shorter than the archive says`);
    // The CRC is 0 where the writer was told to leave checksums out (torch.serialization.set_crc32_options).
    if (entry.crc !== 0 && crc32(bytes) !== entry.crc)
      refuse(`the record ${JSON.stringify(name)} is damaged (its CRC-32 does not match)`);
    return bytes;
  }

  private packedBytes(name: string, entry: Entry): Uint8Array {
    const at = entry.headerAt;
    if (at + 30 > this.directoryAt || this.view.getUint32(at, true) !== LOCAL_SIGNATURE)
      refuse(`the record ${JSON.stringify(name)} has a damaged header`);
    if (entry.flags & ENCRYPTED) refuse(`the record ${JSON.stringify(name)} is encrypted`);
    const nameEnd = at + 30 + this.view.getUint16(at + 26, true);
    const start = nameEnd + this.view.getUint16(at + 28, true);
    if (start + entry.packed > this.directoryAt)
      refuse(`the record ${JSON.stringify(name)} reaches beyond the archive`);
    if (this.text(at + 30, nameEnd) !== name)
      refuse(`the record ${JSON.stringify(name)} has another name in its header`);
    return this.bytes.subarray(start, start + entry.packed);
  }

  private inflate(name: string, entry: Entry, packed: Uint8Array): Uint8Array {
    if (entry.method !== 8) refuse(`the record ${JSON.stringify(name)} is compressed in an unknown way`);
    // The size is charged before a byte is inflated; zlib stops at this length whatever the data says.
    this.budget.buffer(entry.size);
    try {
      return inflateRawSync(packed, { maxOutputLength: Math.max(entry.size, 1) });
    } catch {
      refuse(`the record ${JSON.stringify(name)} cannot be decompressed to the size the archive says`);
    }
  }

  private readDirectory(): void {
    const { count, size, at } = this.findDirectory();
    this.directoryAt = at;
    const end = at + size;
    let next = at;
    let total = 0;
    for (let i = 0; i < count; i++) {
      if (next + 46 > end || this.view.getUint32(next, true) !== CENTRAL_SIGNATURE)
        refuse('the directory of the archive is damaged');
      const nameEnd = next + 46 + this.view.getUint16(next + 28, true);
      const extraEnd = nameEnd + this.view.getUint16(next + 30, true);
      const entryEnd = extraEnd + this.view.getUint16(next + 32, true);
      if (entryEnd > end) refuse('the directory of the archive is damaged');
      this.budget.node(256 + 2 * (nameEnd - next));
      this.budget.earn(256 + 2 * (nameEnd - next));
      const name = this.text(next + 46, nameEnd);
      if (this.entries.has(name)) refuse(`the record ${JSON.stringify(name)} stands twice in the archive`);
      const entry = this.readEntry(next, nameEnd, extraEnd);
      this.entries.set(name, entry);
      total += entry.packed;
      next = entryEnd;
    }
    // Overlapping entries would let a small file ask for an unbounded amount of checking.
    if (total > at) refuse('the records of the archive overlap');
  }

  private readEntry(at: number, extraAt: number, extraEnd: number): Entry {
    const entry = {
      flags: this.view.getUint16(at + 8, true),
      method: this.view.getUint16(at + 10, true),
      crc: this.view.getUint32(at + 16, true),
      packed: this.view.getUint32(at + 20, true),
      size: this.view.getUint32(at + 24, true),
      headerAt: this.view.getUint32(at + 42, true),
    };
    // Fields that are all ones continue in the zip64 extra, in this order.
    const wide = (['size', 'packed', 'headerAt'] as const).filter((field) => entry[field] === 0xffffffff);
    if (wide.length > 0) {
      let from = this.findExtra(extraAt, extraEnd, 8 * wide.length);
      for (const field of wide) {
        entry[field] = this.u64(from);
        from += 8;
      }
    }
    return entry;
  }

  /** Start of the content of the zip64 extra field, which must have `need` bytes. */
  private findExtra(at: number, end: number, need: number): number {
    let next = at;
    while (next + 4 <= end) {
      const size = this.view.getUint16(next + 2, true);
      if (this.view.getUint16(next, true) === ZIP64_EXTRA && size >= need && next + 4 + size <= end) return next + 4;
      next += 4 + size;
    }
    refuse('the directory of the archive is damaged (a zip64 field is missing)');
  }

  /** Count, size and start of the central directory, from the end record(s). */
  private findDirectory(): { count: number; size: number; at: number } {
    const endAt = this.findEnd();
    const directory = {
      count: this.view.getUint16(endAt + 10, true),
      size: this.view.getUint32(endAt + 12, true),
      at: this.view.getUint32(endAt + 16, true),
    };
    let limit = endAt;
    const locatorAt = endAt - 20;
    if (locatorAt >= 0 && this.view.getUint32(locatorAt, true) === END64_LOCATOR_SIGNATURE) {
      limit = this.u64(locatorAt + 8);
      if (limit + 56 > locatorAt || this.view.getUint32(limit, true) !== END64_SIGNATURE)
        refuse('the end of the archive is damaged');
      directory.count = this.u64(limit + 32);
      directory.size = this.u64(limit + 40);
      directory.at = this.u64(limit + 48);
    }
    if (directory.at + directory.size > limit || 46 * directory.count > directory.size)
      refuse('the end of the archive is damaged');
    return directory;
  }

  /** Position of the end record, which is last in the file except for a comment of up to 65,535 bytes. */
  private findEnd(): number {
    const length = this.bytes.length;
    for (let at = length - 22; at >= Math.max(0, length - 22 - 0xffff); at--) {
      if (this.view.getUint32(at, true) === END_SIGNATURE && at + 22 + this.view.getUint16(at + 20, true) === length)
        return at;
    }
    refuse('the archive has no end record (the file was cut off)');
  }

  /** Reads a 64-bit number. Values beyond 2^53 lose precision, but stay larger than any file. */
  private u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  private text(start: number, end: number): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start).toString('utf8');
  }
}
