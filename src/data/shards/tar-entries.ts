/**
 * Finds the positions of the files in a tar archive by reading its headers only, where a streaming library would read
 * all of ImageNet. Understands ustar, GNU long names, and sizes and names in pax headers.
 */
import type { FileHandle } from 'node:fs/promises';
import type { EarlybirdError } from '../../errors';
import { datasetError } from '../errors';
import { archiveKind, archiveTitle } from '../kinds';

export interface TarEntry {
  name: string;
  offset: number;
  size: number;
  /** True for a link to another member, which has no bytes of its own. */
  link: boolean;
}

const BLOCK = 512;
/** Bytes per read, which cover the headers of a label and of the image behind it. */
const WINDOW = 4096;
/** Length of the longest name or pax header that is accepted. */
const MAX_META = 1 << 20;

/** Random access to an archive with a small look-ahead. */
export class TarFile {
  private window = Buffer.alloc(0);
  private start = 0;

  constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    /** End of the archive in the file. */
    readonly end: number,
    /** Beginning of the archive, as one may lie in another. */
    private readonly begin = 0,
  ) {}

  /** Yields the plain files and the links, in order. Throws ERR_DATASET where the archive is cut off or not a tar. */
  async *entries(): AsyncGenerator<TarEntry> {
    let at = this.begin;
    let meta: { name?: string; size?: number } = {};
    while (at + BLOCK <= this.end) {
      const header = await this.read(at, BLOCK);
      if (header.every((byte) => byte === 0)) return;
      const type = this.check(header, at);
      // Links, folders and devices have no bytes, whatever their headers say.
      const bare = type >= '1' && type <= '6';
      const size = bare ? 0 : type === 'x' || type === 'L' ? sizeIn(header) : (meta.size ?? sizeIn(header));
      const offset = at + BLOCK;
      const next = offset + Math.ceil(size / BLOCK) * BLOCK;
      if (!(Number.isSafeInteger(size) && size >= 0)) throw this.damaged(`has an entry of no size at byte ${at}`);
      if (offset + size > this.end) throw this.damaged('ends in the middle of an entry');
      if (type === 'x' || type === 'L') {
        if (size > MAX_META) throw this.damaged('has a name of impossible length');
        const text = Buffer.from(await this.read(offset, size));
        meta = { ...meta, ...(type === 'x' ? paxOf(text) : { name: textOf(text) }) };
      } else {
        const name = meta.name ?? nameIn(header);
        // Old archives mark folders only by a slash.
        if ('0\x00712'.includes(type) && !name.endsWith('/'))
          yield { name, offset, size, link: type === '1' || type === '2' };
        // A global pax header ('g') and folders say nothing about the next file.
        meta = {};
      }
      at = next;
    }
    if (at === this.begin || at < this.end) throw this.damaged('is not a tar archive or is cut off');
  }

  /** Reads bytes of the archive, which are valid until the next read. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.start || offset + length > this.start + this.window.length) {
      const wanted = Math.min(Math.max(WINDOW, length), this.end - offset);
      const buffer = this.window.length >= wanted ? this.window : Buffer.alloc(wanted);
      const { bytesRead } = await this.handle.read(buffer, 0, wanted, offset);
      if (bytesRead < length) throw this.damaged('could not be read to its end');
      this.window = buffer.subarray(0, bytesRead);
      this.start = offset;
    }
    return this.window.subarray(offset - this.start, offset - this.start + length);
  }

  private check(header: Buffer, at: number): string {
    let sum = 8 * 32;
    for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
    const kind = at === this.begin ? archiveKind(header) : null;
    if (kind) throw datasetError(`${this.path} is ${archiveTitle(kind)}, not a plain tar: unpack it first.`);
    if (sum !== octal(header.subarray(148, 156)))
      throw this.damaged(at === this.begin ? 'is not a tar archive' : `is damaged at byte ${at}`);
    return String.fromCharCode(header[156]!);
  }

  private damaged(what: string): EarlybirdError {
    return datasetError(`${this.path} ${what}; make or fetch it again.`);
  }
}

function octal(field: Buffer): number {
  return Number.parseInt(textOf(field).trim() || '0', 8);
}

/** Size in a header: octal, or, in GNU's form for larger sizes, big-endian binary with the top bit set. */
function sizeIn(header: Buffer): number {
  const field = header.subarray(124, 136);
  if ((field[0]! & 0x80) === 0) return octal(field);
  return field.subarray(4).reduce((value, byte) => value * 256 + byte, 0);
}

function nameIn(header: Buffer): string {
  const name = textOf(header.subarray(0, 100));
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textOf(header.subarray(345, 500)) : '';
  return prefix ? `${prefix}/${name}` : name;
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** Reads records of the form "<length> <key>=<value>\n", where length counts the whole record in bytes. */
function paxOf(bytes: Buffer): { name?: string; size?: number } {
  const found: { name?: string; size?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.toString('latin1', at, at + 20), 10);
    if (!(length > 0)) break;
    const [, key, value] = /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(bytes.toString('utf8', at, at + length)) ?? [];
    if (key === 'path' && value !== undefined) found.name = value;
    if (key === 'size' && value !== undefined) found.size = Number(value);
    at += length;
  }
  return found;
}
