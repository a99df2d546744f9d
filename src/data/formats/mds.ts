/**
 * MosaicML's streaming shards (https://docs.mosaicml.com/projects/streaming, MDS): index.json names shards, their
 * columns, compression and checksums. A shard holds a count, the positions of its samples, and the samples, each of
 * which begins with the lengths of the columns that vary, followed by the columns.
 */
import { open, readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import { isJpeg } from '../decode';
import { datasetError } from '../errors';
import { NOT_PLAIN } from '../listing';
import { byRank, IMAGES, LABELS, labelOf, numbered } from './columns';
import { emptyIndex, type Format, type ShardFile, type ShardIndex } from './format';
import { columnIn, integerIn, isIntegerKind, isLabelKind, pilImage, pilProblem } from './mds-values';
import { hashesFit, unzip } from './mds-zip';

/** A shard as index.json describes it. */
interface Shard {
  column_names: string[];
  column_encodings: string[];
  column_sizes: (number | null)[];
  compression: string | null;
  samples: number;
  raw_data: Part;
  zip_data: Part | null;
}

interface Part {
  basename: string;
  bytes: number;
  hashes: Record<string, string>;
}

/** Limit of the size of a shard: writers make 64 MB unless they are asked for more. */
const MOST_BYTES = 2 ** 30;
const MOST_INDEX_BYTES = 256 << 20;
/**
 * Bytes per read, which cover the lengths of a sample, its label and the beginning of its image where they lie close
 * together.
 */
const WINDOW = 4096;

/** The shards that an index.json names, in order. Rejects with ERR_DATASET. */
export async function mdsShards(place: string): Promise<ShardFile[]> {
  const wrong = (why: string) =>
    datasetError(`${place} is damaged or not an index of MDS shards (${why}); make or fetch it again.`);
  if ((await stat(place)).size > MOST_INDEX_BYTES) throw wrong('it is too large');
  let shards: unknown;
  try {
    shards = (JSON.parse(await readFile(place, 'utf8')) as { shards?: unknown } | null)?.shards;
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (!Array.isArray(shards) || shards.length === 0 || !shards.every(isShard)) throw wrong('it names no shards');
  const files: ShardFile[] = [];
  for (const shard of shards) {
    const raw = path.join(path.dirname(place), shard.raw_data.basename);
    const zip = shard.zip_data && path.join(path.dirname(place), shard.zip_data.basename);
    const plain = !zip || (await stat(raw).catch(() => null)) !== null;
    files.push({ path: plain ? raw : zip, format: formatOf(shard, plain) });
  }
  return files;
}

function isShard(value: unknown): value is Shard {
  const {
    column_names: names,
    column_encodings: kinds,
    column_sizes: sizes,
    samples,
    ...more
  } = (value ?? {}) as Partial<Shard>;
  const isPart = (part: Part | null | undefined) =>
    typeof part?.basename === 'string' &&
    // A file outside the folder is not read.
    !path.isAbsolute(part.basename) &&
    !part.basename.split(/[\\/]/).includes('..') &&
    Number.isInteger(part.bytes) &&
    part.bytes >= 0;
  const texts = (list: unknown) => Array.isArray(list) && list.every((text) => typeof text === 'string');
  return (
    texts(names) &&
    texts(kinds) &&
    Array.isArray(sizes) &&
    sizes.every((size) => size === null || (Number.isInteger(size) && size >= 0)) &&
    names!.length === kinds!.length &&
    names!.length === sizes.length &&
    Number.isInteger(samples) &&
    samples! >= 0 &&
    isPart(more.raw_data) &&
    (!more.zip_data || isPart(more.zip_data))
  );
}

function formatOf(shard: Shard, plain: boolean): Format {
  const part = plain ? shard.raw_data : shard.zip_data!;
  return {
    title: 'MDS shard',
    async index(file, size, signal) {
      if (size !== part.bytes) throw damaged(file, `it has ${size} of ${part.bytes} bytes`);
      if (!plain) return indexOf(shard, file, bufferSource(await unzipped(shard, file)), false, signal);
      const handle = await open(file, 'r');
      try {
        return await indexOf(shard, file, fileSource(handle, file, size), true, signal);
      } finally {
        await handle.close();
      }
    },
    async unpack(file) {
      const bytes = plain ? await whole(file) : await unzipped(shard, file);
      const { image, sample } = await samplesIn(shard, file, bufferSource(bytes));
      const images: Uint8Array[] = [];
      for (let i = 0; i < shard.samples; i++) {
        const { at, length } = (await sample(i)).of(image);
        const value = bytes.subarray(at, at + length);
        images.push(encodingOf(shard, image) === 'pil' ? pilImage(value) : value);
      }
      return images;
    },
    check: async (file) => {
      const bytes = await whole(file);
      return hashesFit(bytes, part) ? null : `The checksum of ${file} is not that of its index.json; fetch it again.`;
    },
  };
}

async function indexOf(
  shard: Shard,
  file: string,
  source: Source,
  plain: boolean,
  signal?: AbortSignal,
): Promise<ShardIndex> {
  const { image, label, sample } = await samplesIn(shard, file, source);
  const pil = encodingOf(shard, image) === 'pil';
  const index = emptyIndex();
  const texts: string[] = [];
  for (let i = 0; i < shard.samples; i++) {
    signal?.throwIfAborted();
    const one = await sample(i);
    const of = await one.of(label);
    const value = integerIn(encodingOf(shard, label), await one.read(of.at, of.length));
    const number = typeof value === 'string' ? texts.length : labelOf(value);
    const { at, length } = one.of(image);
    const start = await one.read(at, Math.min(length, 64));
    const problem = number === null ? `no class (${value})` : pil ? pilProblem(start, length) : null;
    if (problem !== null) index.unread.push({ file: `${i}`, reason: problem });
    if (problem !== null) continue;
    const asIs = plain && !pil;
    if (!asIs || !isJpeg(start)) index.others.push(index.keys.length);
    index.keys.push(`${i}`);
    index.offsets.push(asIs ? at : i);
    index.lengths.push(asIs ? length : NOT_PLAIN);
    index.labels.push(number!);
    if (typeof value === 'string') texts.push(value);
  }
  if (!plain || pil) index.groups = [{ start: 0, bytes: shard.raw_data.bytes }];
  if (texts.length === 0) return index;
  // Numbers that are written as text stay numbers.
  if (texts.every((text) => /^\d{1,9}$/.test(text))) return { ...index, labels: texts.map(Number) };
  return { ...index, ...numbered(texts) };
}

interface Source {
  size: number;
  read(at: number, length: number): Promise<Buffer>;
}

/** Positions of samples and columns in a shard, checked against its size. */
async function samplesIn(shard: Shard, file: string, source: Source) {
  const { column_names: names, column_encodings: kinds, column_sizes: sizes, samples } = shard;
  const isImage = (kind: string) => ['jpeg', 'png', 'pil'].includes(kind.split(':')[0]!);
  const named = (test: (kind: string) => boolean) => names.filter((_, i) => test(kinds[i]!));
  const image =
    byRank(named(isImage), IMAGES) ??
    byRank(
      named((kind) => kind === 'bytes'),
      IMAGES,
    );
  const ranked = named(isLabelKind).filter((name) => LABELS.includes(name));
  const label = byRank(ranked, LABELS) ?? named(isIntegerKind)[0];
  if (image === undefined || label === undefined)
    throw datasetError(
      `${file} has no column of ${image === undefined ? 'images (jpeg, png, pil or bytes)' : 'class numbers'}; its columns are ${names.map((name, i) => `${name} (${kinds[i]})`).join(', ')}.`,
    );
  const head = 4 + 4 * (samples + 1);
  if (head > source.size) throw damaged(file, `it claims ${samples} samples`);
  const table = Buffer.from(await source.read(0, head));
  if (table.readUInt32LE(0) !== samples) throw damaged(file, 'it has another number of samples than its index says');
  const sample = async (i: number) => {
    const [begin, end] = [table.readUInt32LE(4 + 4 * i), table.readUInt32LE(8 + 4 * i)];
    if (begin < head || end < begin || end > source.size) throw damaged(file, `sample ${i} lies beyond its end`);
    const window = Buffer.from(await source.read(begin, Math.min(WINDOW, end - begin)));
    const of = (name: string) => {
      const { at, length } = columnIn(window, sizes, names.indexOf(name)) ?? { at: 0, length: -1 };
      if (length < 0 || begin + at + length > end) throw damaged(file, `sample ${i} is cut off`);
      return { at: begin + at, length };
    };
    const read = async (at: number, length: number) =>
      at + length <= begin + window.length ? window.subarray(at - begin, at - begin + length) : source.read(at, length);
    return { of, read };
  };
  return { image, label, sample };
}

const encodingOf = ({ column_names: names, column_encodings: kinds }: Shard, name: string): string =>
  kinds[names.indexOf(name)]!.split(':')[0]!;

function bufferSource(bytes: Buffer): Source {
  return { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
}

function fileSource(handle: Awaited<ReturnType<typeof open>>, file: string, size: number): Source {
  const read = async (at: number, length: number) => {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, at);
    if (bytesRead < length) throw damaged(file, 'it could not be read to its end');
    return buffer;
  };
  return { size, read };
}

async function whole(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw datasetError(`${file} has ${size} bytes, more than are read at once (${MOST_BYTES}).`);
  return readFile(file);
}

/** Decompresses the shard in a file, and compares it with its length and checksum. */
async function unzipped({ compression, raw_data, zip_data }: Shard, file: string): Promise<Buffer> {
  const zip = await whole(file);
  if (raw_data.bytes > MOST_BYTES) throw damaged(file, `it claims ${raw_data.bytes} bytes`);
  if (!hashesFit(zip, zip_data!)) throw damaged(file, 'its checksum is not that of index.json');
  const kind = compression?.split(':')[0] ?? '';
  const raw = await unzip(kind, zip, raw_data.bytes).catch((error: Error) => {
    throw damaged(file, error.message);
  });
  if (raw === null)
    throw datasetError(`${file} is compressed with ${kind}, which is not read: unpack it beside itself first.`);
  if (raw.length !== raw_data.bytes || !hashesFit(raw, raw_data))
    throw damaged(file, 'what it holds is not what index.json says');
  return raw;
}

function damaged(file: string, why: string) {
  return datasetError(`${file} is damaged or not an MDS shard (${why}); make or fetch it again.`);
}
