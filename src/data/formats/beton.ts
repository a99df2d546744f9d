/**
 * FFCV's files (https://docs.ffcv.io, version 2 of its format): a header, the descriptions of fields, a record of each
 * sample, pages of data, and a table of their contents. Images are RGB pixels, or JPEG files stored unchanged.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { datasetError } from '../errors';
import { NOT_PLAIN } from '../listing';
import { byRank, IMAGES, LABELS, labelOf, pixmap } from './columns';
import { emptyIndex, type Format, type ShardIndex } from './format';

const HEADER_BYTES = 24;
const FIELD_BYTES = 1 + 16 + 1024;
const ALLOCATION_BYTES = 24;
const [INT, IMAGE] = [1, 2];
/** Bytes and alignment of a record, by the number of the field's type: float, int, image, bytes, array, JSON, tensor. */
const RECORDS: Record<number, [bytes: number, alignment: number]> = {
  0: [8, 8],
  1: [8, 8],
  2: [13, 1],
  3: [16, 1],
  4: [8, 8],
  5: [16, 1],
  6: [8, 8],
};
/** Modes in which an image is stored. */
const [JPEG, RAW] = [0, 1];
/** Number of samples that are read at once. */
const AT_ONCE = 256;

interface Table {
  samples: number;
  /** First record, length of a record, and positions of image and label in it. */
  first: number;
  stride: number;
  image: number;
  label: number;
  allocations: number;
}

interface Sample {
  mode: number;
  width: number;
  height: number;
  at: number;
  label: bigint;
}

export const BETON: Format = {
  title: '.beton file',
  async index(file, size, signal) {
    const handle = await open(file, 'r');
    try {
      return await indexOf(handle, file, size, signal);
    } finally {
      await handle.close();
    }
  },
  async unpack(file, group) {
    const handle = await open(file, 'r');
    try {
      const table = await tableOf(handle, file, (await handle.stat()).size);
      const images: Uint8Array[] = [];
      // A JPEG is read from its place in the file and needs no unpacking.
      for (const { mode, width, height, at } of await samplesOf(handle, file, table, group * AT_ONCE))
        images.push(
          mode === JPEG ? new Uint8Array() : pixmap(width, height, await bytesAt(handle, file, at, width * height * 3)),
        );
      return images;
    } finally {
      await handle.close();
    }
  },
};

async function indexOf(handle: FileHandle, file: string, size: number, signal?: AbortSignal): Promise<ShardIndex> {
  const table = await tableOf(handle, file, size);
  const lengths = await allocationsOf(handle, file, table, size);
  const index = emptyIndex();
  const groups: ShardIndex['groups'] = [];
  let total = 0;
  for (let first = 0; first < table.samples; first += AT_ONCE) {
    signal?.throwIfAborted();
    const group = { start: index.keys.length, bytes: 0 };
    for (const [place, sample] of (await samplesOf(handle, file, table, first)).entries()) {
      const { mode, width, height, at, label } = sample;
      const jpeg = mode === JPEG;
      const length = jpeg ? lengths.get(at) : width * height * 3;
      total += length ?? 0;
      if (mode > RAW || length === undefined || !(length > 0) || at + length > size || total > size)
        throw damaged(file, `image ${first + place} lies beyond its end`);
      const of = labelOf(label);
      if (of === null) index.unread.push({ file: `${first + place}`, reason: `no class (${label})` });
      if (of === null) continue;
      if (!jpeg) index.others.push(index.keys.length);
      index.keys.push(`${first + place}`);
      index.offsets.push(jpeg ? at : place);
      index.lengths.push(jpeg ? length : NOT_PLAIN);
      index.labels.push(of);
      if (!jpeg) group.bytes += length;
    }
    groups.push(group);
  }
  return index.others.length > 0 ? { ...index, groups } : index;
}

async function tableOf(handle: FileHandle, file: string, size: number): Promise<Table> {
  if (size < HEADER_BYTES) throw damaged(file, 'it is too short');
  const header = await bytesAt(handle, file, 0, HEADER_BYTES);
  const [version, count] = [header.readUInt16LE(0), header.readUInt16LE(2)];
  if (version !== 2) throw damaged(file, `its version is ${version}, not 2`);
  const samples = Number(header.readBigUInt64LE(8));
  const allocations = Number(header.readBigUInt64LE(16));
  const first = HEADER_BYTES + count * FIELD_BYTES;
  if (count === 0 || first > size || allocations > size) throw damaged(file, 'it is cut off');
  const fields = await bytesAt(handle, file, HEADER_BYTES, count * FIELD_BYTES);
  const places = { [IMAGE]: new Map<string, number>(), [INT]: new Map<string, number>() };
  let [at, widest] = [0, 1];
  for (let i = 0; i < count; i++) {
    const type = fields[i * FIELD_BYTES]!;
    const name = fields.toString('latin1', i * FIELD_BYTES + 1, i * FIELD_BYTES + 17).replace(/\0.*$/s, '');
    const [bytes, alignment] = RECORDS[type] ?? [0, 1];
    if (bytes === 0) throw datasetError(`${file} has the field "${name}" of a type of its own, which is not read.`);
    at = Math.ceil(at / alignment) * alignment;
    places[type]?.set(name, at);
    at += bytes;
    widest = Math.max(widest, alignment);
  }
  const image = byRank([...places[IMAGE]!.keys()], IMAGES);
  const label = byRank([...places[INT]!.keys()], LABELS);
  if (image === undefined || label === undefined)
    throw datasetError(`${file} has no field of ${image === undefined ? 'images' : 'whole numbers, the classes'}.`);
  const stride = Math.ceil(at / widest) * widest;
  if (first + samples * stride > size) throw damaged(file, `it claims ${samples} samples`);
  return {
    samples,
    first,
    stride,
    image: places[IMAGE]!.get(image)!,
    label: places[INT]!.get(label)!,
    allocations,
  };
}

/** Reads up to AT_ONCE samples from `start` on. */
async function samplesOf(handle: FileHandle, file: string, table: Table, start: number): Promise<Sample[]> {
  const { samples, first, stride, image, label } = table;
  const count = Math.min(AT_ONCE, samples - start);
  const bytes = await bytesAt(handle, file, first + start * stride, count * stride);
  return Array.from({ length: count }, (_, i) => {
    const at = i * stride + image;
    return {
      mode: bytes[at]!,
      width: bytes.readUInt16LE(at + 1),
      height: bytes.readUInt16LE(at + 3),
      at: Number(bytes.readBigUInt64LE(at + 5)),
      label: bytes.readBigInt64LE(i * stride + label),
    };
  });
}

/** Length of each allocation in the pages, by its first byte. */
async function allocationsOf(handle: FileHandle, file: string, { allocations }: Table, size: number) {
  const lengths = new Map<number, number>();
  const step = ALLOCATION_BYTES * 4096;
  for (let at = allocations; at + ALLOCATION_BYTES <= size; at += step) {
    const bytes = await bytesAt(handle, file, at, Math.min(step, size - at));
    for (let i = 0; i + ALLOCATION_BYTES <= bytes.length; i += ALLOCATION_BYTES)
      lengths.set(Number(bytes.readBigUInt64LE(i + 8)), Number(bytes.readBigUInt64LE(i + 16)));
  }
  return lengths;
}

async function bytesAt(handle: FileHandle, file: string, at: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, at);
  if (bytesRead < length) throw damaged(file, 'it could not be read to its end');
  return buffer;
}

function damaged(file: string, why: string) {
  return datasetError(`${file} is damaged or not a file of FFCV (${why}); make it again with its DatasetWriter.`);
}
