/**
 * Reads one column of one row group with hyparquet, after comparing all its sizes with the file: hyparquet trusts them,
 * and a few bytes can claim a run of a billion values. Format: https://parquet.apache.org/docs/file-format/.
 */
import type { FileHandle } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

type ColumnChunk = import('hyparquet', { with: { 'resolution-mode': 'import' }}).ColumnChunk;
type Compressors = import('hyparquet', { with: { 'resolution-mode': 'import' }}).Compressors;
type FileMetaData = import('hyparquet', { with: { 'resolution-mode': 'import' }}).FileMetaData;
type PageHeader = import('hyparquet', { with: { 'resolution-mode': 'import' }}).PageHeader;

/** Limit of the bytes of a column chunk or a page. Writers make pages of 1 MB. */
const MOST_BYTES = 2 ** 30;
/** Limit of the bytes of a page as a multiple of its bytes in the file; FREE_BYTES are allowed in any case. */
const MOST_RATIO = 64;
const FREE_BYTES = 64 << 20;

export interface ParquetFile {
  handle: FileHandle;
  size: number;
  metadata: FileMetaData;
}

/** Values of a column in a row group; null or undefined for an absent one. */
interface Column {
  values: unknown[];
  /** First byte of a value in the file; null where the value is not stored there unchanged. */
  placeOf(value: Uint8Array): number | null;
}

/** Opens the footer. Throws plain errors for damage. */
export async function openParquet(handle: FileHandle, size: number): Promise<ParquetFile> {
  const { parquetMetadataAsync } = await import('hyparquet');
  const slice = (start: number, end = size) => sliceOf(handle, size, start, end);
  const metadata = await parquetMetadataAsync({ byteLength: size, slice }, { geoparquet: false });
  let rows = 0;
  for (const group of metadata.row_groups) {
    if (!(group.num_rows >= 0)) throw new Error('it claims less than no rows');
    rows += Number(group.num_rows);
    // Every image takes a byte or more.
    if (rows > size) throw new Error('it claims more rows than it has bytes');
  }
  return { handle, size, metadata };
}

/** The chunk of a column, given by its full name: "img.bytes". */
export function chunkOf({ metadata }: ParquetFile, group: number, name: string) {
  const named = ({ meta_data }: ColumnChunk) => meta_data?.path_in_schema.join('.') === name;
  const chunk = metadata.row_groups[group]!.columns.find(named)?.meta_data;
  if (!chunk) throw new Error(`row group ${group} has no column ${name}`);
  return chunk;
}

/** Reads a column of a row group. Throws plain errors for damage. */
export async function readColumnOf(file: ParquetFile, group: number, name: string): Promise<Column> {
  const { readColumn } = await import('hyparquet/src/column.js');
  const { getSchemaPath, getMaxDefinitionLevel, getMaxRepetitionLevel } = await import('hyparquet/src/schema.js');
  const { DEFAULT_PARSERS } = await import('hyparquet/src/convert.js');
  const chunk = chunkOf(file, group, name);
  const rows = Number(file.metadata.row_groups[group]!.num_rows);
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  const buffer = await sliceOf(file.handle, file.size, start, start + Number(chunk.total_compressed_size));
  const schemaPath = getSchemaPath(file.metadata.schema, chunk.path_in_schema);
  if (getMaxRepetitionLevel(schemaPath) > 0) throw new Error(`the column ${name} has lists`);
  const levels = getMaxDefinitionLevel(schemaPath);
  const { element } = schemaPath.at(-1)!;
  const most = Math.min(MOST_BYTES, Math.max(FREE_BYTES, MOST_RATIO * file.size));
  const pages = await pagesOf(buffer, rows, most);
  const plain = chunk.codec === 'UNCOMPRESSED';
  for (const { header, at } of pages) {
    const bytes = new Uint8Array(buffer, at, header.compressed_page_size);
    checkLevels(bytes, header, levels);
    if (plain || header.data_page_header_v2?.is_compressed === false) checkValues(bytes, header, levels);
  }
  const decoder = {
    pathInSchema: chunk.path_in_schema,
    type: chunk.type,
    codec: chunk.codec,
    element,
    schemaPath,
    parsers: DEFAULT_PARSERS,
    compressors: plain ? {} : checked(await decompressors(), pages, levels),
    utf8: element.converted_type === 'UTF8' || element.logical_type?.type === 'STRING',
  };
  const select = { groupStart: 0, selectStart: 0, selectEnd: rows, groupRows: rows };
  const { data } = readColumn({ view: new DataView(buffer), offset: 0 }, select, decoder);
  const values = data.flatMap((page) => Array.from(page as ArrayLike<unknown>, bare));
  if (values.length !== rows) throw new Error(`the column ${name} has ${values.length} values in ${rows} rows`);
  return { values, placeOf: (value) => (value.buffer === buffer ? start + value.byteOffset : null) };
}

/** Unwraps a value of a structure, which the reader puts into an array for each level. */
function bare(value: unknown): unknown {
  return Array.isArray(value) ? bare(value[0]) : value;
}

async function sliceOf(handle: FileHandle, size: number, start: number, end: number): Promise<ArrayBuffer> {
  if (!(start >= 0 && end >= start && end <= size)) throw new Error('a part of it lies beyond its end');
  if (end - start > MOST_BYTES) throw new Error(`a part of it has ${end - start} bytes, more than ${MOST_BYTES}`);
  const bytes = new Uint8Array(end - start);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
  if (bytesRead < bytes.length) throw new Error('it could not be read to its end');
  return bytes.buffer;
}

interface Page {
  header: PageHeader;
  /** Position in the chunk of the first byte behind the header. */
  at: number;
}

/** The pages of a chunk, with their sizes checked. */
async function pagesOf(buffer: ArrayBuffer, rows: number, most: number): Promise<Page[]> {
  const { parquetHeader } = await import('hyparquet/src/column.js');
  const reader = { view: new DataView(buffer), offset: 0 };
  const pages: Page[] = [];
  for (let left = rows, total = 0; left > 0 && reader.offset < buffer.byteLength - 1; ) {
    const header = parquetHeader(reader);
    const { uncompressed_page_size: unpacked, compressed_page_size: packed } = header;
    const data = header.data_page_header ?? header.data_page_header_v2;
    const values = data?.num_values ?? header.dictionary_page_header?.num_values ?? 0;
    total += unpacked;
    if (!(packed >= 0 && reader.offset + packed <= buffer.byteLength)) throw new Error('a page is cut off');
    if (!(unpacked >= 0 && total <= most)) throw new Error(`a page of ${unpacked} bytes is more than it can hold`);
    if (!(values >= 0 && values <= (data ? left : unpacked))) throw new Error(`a page claims ${values} values`);
    checkLengths(header);
    if (data?.encoding === 'DELTA_BYTE_ARRAY' && values * unpacked > most)
      throw new Error('its values are encoded as DELTA_BYTE_ARRAY, which is read for small pages only');
    pages.push({ header, at: reader.offset });
    reader.offset += packed;
    if (data) left -= values;
  }
  return pages;
}

/** Throws where a page of version 2 does not say how long its levels are, or has less than it says. */
function checkLengths({ data_page_header_v2: two, compressed_page_size: packed }: PageHeader): void {
  if (!two) return;
  const parts = [two.repetition_levels_byte_length, two.definition_levels_byte_length];
  const isCount = (value: number) => Number.isInteger(value) && value >= 0;
  if (!parts.every(isCount) || parts[0]! + parts[1]! > packed) throw new Error('a page has less than its levels');
  if (!isCount(two.num_nulls) || two.num_nulls > two.num_values) throw new Error('a page has fewer values than nulls');
}

/** Throws where the levels of a page of version 2, which are not compressed, claim more values than the page has. */
function checkLevels(bytes: Uint8Array, { data_page_header_v2: data }: PageHeader, levels: number): void {
  if (data && levels > 0) walkRuns(bytes, data.repetition_levels_byte_length, widthOf(levels), data.num_values);
}

/**
 * Does the same for parts that may be compressed: levels of version 1, and indexes of a dictionary. `bytes` is the
 * unpacked page.
 */
function checkValues(bytes: Uint8Array, header: PageHeader, levels: number, behind = levelBytes(header)): void {
  const data = header.data_page_header ?? header.data_page_header_v2;
  if (!data) return;
  let at = behind;
  if (header.data_page_header && levels > 0) {
    walkRuns(bytes, 4, widthOf(levels), data.num_values);
    at = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }
  if (data.encoding.endsWith('_DICTIONARY') && at < bytes.length) walkRuns(bytes, at + 1, bytes[at]!, data.num_values);
}

const widthOf = (levels: number) => 32 - Math.clz32(levels);

/** Number of bytes of the levels before the values of version 2. */
function levelBytes({ data_page_header_v2: two }: PageHeader): number {
  return two ? two.repetition_levels_byte_length + two.definition_levels_byte_length : 0;
}

/**
 * Walks run lengths and groups of bit-packed values: https://parquet.apache.org/docs/file-format/data-pages/encodings/.
 */
function walkRuns(bytes: Uint8Array, from: number, width: number, count: number): void {
  for (let seen = 0, at = from; seen < count && at < bytes.length; ) {
    let head = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length || shift > 28) throw new Error('a run is cut off');
      head += (bytes[at]! & 0x7f) * 2 ** shift;
      if (bytes[at++]! < 0x80) break;
    }
    const groups = Math.floor(head / 2);
    const values = head % 2 ? groups * 8 : groups;
    // The last group of bit-packed values is padded to 8.
    if (values === 0 || seen + values > count + (head % 2 ? 7 : 0)) throw new Error(`a run claims ${values} values`);
    at += head % 2 ? groups * width : Math.ceil(width / 8);
    seen += values;
  }
}

/** Decompressors that check their pages, in the order in which the reader asks for them. */
function checked(all: Compressors, pages: readonly Page[], levels: number): Compressors {
  const asked = pages.filter(({ header }) => {
    const { data_page_header_v2: two, uncompressed_page_size: bytes } = header;
    return !two || (two.is_compressed !== false && bytes > levelBytes(header));
  });
  let next = 0;
  const check = (unpack: (input: Uint8Array, length: number) => Uint8Array) => (input: Uint8Array, length: number) => {
    const bytes = unpack(input, length);
    checkValues(bytes, asked[next++]!.header, levels, 0);
    return bytes;
  };
  return Object.fromEntries(Object.entries(all).map(([codec, unpack]) => [codec, check(unpack)]));
}

/** Decompressors of Node where it has them, which are faster. None of these makes more bytes than the header says. */
async function decompressors(): Promise<Compressors> {
  const { compressors, decompressZstd } = await import('hyparquet-compressors');
  return {
    ...compressors,
    GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
    BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
    ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
  };
}
