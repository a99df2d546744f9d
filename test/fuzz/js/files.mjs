/** Helpers that the targets of files on disk share. */
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { bytesOf, dist } from './loop.mjs';

/** Good files among test/fixtures/formats, unpacked. */
export const formats = (...names) =>
  names.map((name) => {
    const bytes = bytesOf(`test/fixtures/formats/${name}`);
    return name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  });

/** Writes the bytes to the path that the parser reads. */
export function put(file, bytes) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, bytes);
  return file;
}

/** Walks a file of images as opening a data set does, and unpacks the images of each group. */
export async function readShard(format, file, bytes) {
  put(file, bytes);
  const index = await format.index(file, bytes.length);
  const { keys, offsets, lengths, labels } = index;
  if (![offsets, lengths, labels].every((list) => list.length === keys.length))
    throw new Error('an index whose lists differ in length');
  const { NOT_PLAIN } = dist('data/listing');
  if (lengths.some((length, i) => length !== NOT_PLAIN && !(offsets[i] >= 0 && offsets[i] + length <= bytes.length)))
    throw new Error('an image beyond the end of the file');
  if (labels.some((label) => !Number.isInteger(label) || label < 0)) throw new Error('a label that is no class');
  for (const group of (index.groups ?? []).keys()) await format.unpack?.(file, group);
}
