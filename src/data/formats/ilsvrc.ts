/** ImageNet's archives as they are downloaded (https://image-net.org/challenges/LSVRC/2012): class archives, a tar of them, and the tar of the validation set. */
import { open } from 'node:fs/promises';
import * as path from 'node:path';
import { datasetError } from '../errors';
import { isImageName, isJpegName, isLitter, isOtherPicture } from '../kinds';
import { TarFile } from '../shards/tar-entries';
import { groundTruth } from './devkit';
import { emptyIndex, type Format, type ShardIndex } from './format';

/** Matches a class archive, such as n01440764.tar. */
export const CLASS_ARCHIVE = /^(n\d{8})\.tar$/i;
const NUMBER = /^ILSVRC2012_val_(\d{8})$/;

/** Adds the images of an archive to an index. The key of an image is its name, without folders. */
async function addImages(index: ShardIndex, tar: TarFile, label: number, above: string, signal?: AbortSignal) {
  for await (const { name, offset, size, link } of tar.entries()) {
    signal?.throwIfAborted();
    const base = path.posix.basename(name);
    if (isLitter(name)) continue;
    const file = `${above}${base}`;
    if (link && isImageName(base)) index.unread.push({ file, reason: 'a link to another member' });
    else if (isOtherPicture(base)) index.unread.push({ file, reason: 'an image of a kind that is not read' });
    if (link || !isImageName(base)) continue;
    if (!isJpegName(base)) index.others.push(index.keys.length);
    index.keys.push(file.replace(/\.[^.]*$/, ''));
    index.offsets.push(offset);
    index.lengths.push(size);
    index.labels.push(label);
  }
}

/** Builds an index of the class archives in a file: the class of an image is the archive that holds it. */
async function classesIn(
  file: string,
  archives: (handle: Awaited<ReturnType<typeof open>>) => AsyncIterable<{ wnid: string; tar: TarFile }>,
  signal?: AbortSignal,
): Promise<ShardIndex> {
  const index = { ...emptyIndex(), classes: [] as string[], partial: true };
  const handle = await open(file, 'r');
  try {
    for await (const { wnid, tar } of archives(handle)) {
      index.classes.push(wnid);
      await addImages(index, tar, index.classes.length - 1, `${wnid}/`, signal);
    }
  } finally {
    await handle.close();
  }
  if (index.keys.length === 0) throw datasetError(`${file} holds no images; fetch it again.`);
  return index;
}

/** A class archive, such as n01440764.tar: images of one class. */
export const CLASS: Format = {
  title: 'archive',
  index: (file, size, signal) =>
    classesIn(
      file,
      async function* (handle) {
        yield {
          wnid: CLASS_ARCHIVE.exec(path.basename(file))![1]!.toLowerCase(),
          tar: new TarFile(handle, file, size),
        };
      },
      signal,
    ),
};

/** A tar of class archives, ILSVRC2012_img_train.tar. */
export const TRAIN: Format = {
  title: 'archive',
  index: (file, size, signal) =>
    classesIn(
      file,
      async function* (handle) {
        for await (const { name, offset, size: bytes, link } of new TarFile(handle, file, size).entries()) {
          const wnid = CLASS_ARCHIVE.exec(path.posix.basename(name))?.[1]?.toLowerCase();
          if (wnid === undefined || link || isLitter(name)) continue;
          yield { wnid, tar: new TarFile(handle, `${file}: ${name}`, offset + bytes, offset) };
        }
      },
      signal,
    ),
};

/** The images of ILSVRC2012_img_val.tar, whose classes the development kit gives. */
export const VAL: Format = {
  title: 'archive',
  async index(file, size, signal) {
    const index = emptyIndex();
    const handle = await open(file, 'r');
    try {
      await addImages(index, new TarFile(handle, file, size), 0, '', signal);
    } finally {
      await handle.close();
    }
    if (index.keys.length === 0) throw datasetError(`${file} holds no images; fetch it again.`);
    return index;
  },
  async complete(root, index, file) {
    const truth = await groundTruth(root, file);
    const wnids = index.keys.map((key) => truth.get(Number(NUMBER.exec(key)?.[1])) ?? null);
    const classes = [...new Set(wnids.filter((wnid) => wnid !== null))].sort();
    const place = new Map(classes.map((wnid, i) => [wnid, i]));
    const kept = index.keys.map((_, i) => i).filter((i) => wnids[i] !== null);
    const others = new Set(index.others);
    return {
      keys: kept.map((i) => index.keys[i]!),
      offsets: kept.map((i) => index.offsets[i]!),
      lengths: kept.map((i) => index.lengths[i]!),
      labels: kept.map((i) => place.get(wnids[i]!)!),
      others: kept.flatMap((i, at) => (others.has(i) ? [at] : [])),
      unread: [
        ...index.unread,
        ...index.keys
          .filter((_, i) => wnids[i] === null)
          .map((file) => ({ file, reason: 'no class in the ground truth' })),
      ],
      classes,
      partial: true,
    };
  },
};
