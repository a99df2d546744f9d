/** `earlybird data`: fetches the official archives, checks a dataset on disk, packs images into shards. */
import * as path from 'node:path';
import { z } from 'zod';
import { availableCores } from '../../cores';
import { fetchDataset } from '../../data/cifar/fetch';
import { DATASETS } from '../../data/known';
import { pack as packImages } from '../../data/pack/pack';
import { BAD_LIST } from '../../data/pack/progress';
import { verifyDataset } from '../../data/verify/verify';
import { jpegPacker } from '../../engine/jpeg-packer';
import { loaderCheck } from '../../engine/loader-check';
import { cacheFolder } from '../../package';
import { dataset } from '../../recipe/fields/data';
import { count, folder, option } from '../../recipe/option';
import { defineCommand, defineGroup } from '../command';
import { packText, verifyText } from '../print/data';

const FETCHED = ['cifar10', 'cifar100'] as const;

const fetch = defineCommand({
  options: z.strictObject({
    name: option(z.enum(FETCHED), FETCHED.join(' or '), { positional: 'name' }),
    dir: option(folder().optional(), 'where to put it', { defaultHelp: 'the cache' }),
    url: option(z.string().optional(), 'a mirror that has the same file', 'an address'),
  }),
  examples: [['earlybird data fetch cifar10', 'into the cache, where every command finds it']],
  async run({ name, dir, url }, { show, signal }) {
    const onProgress = (done: number, total: number | null) =>
      show('fetching', megabytes(done), total && megabytes(total), 'MB');
    const folder = dir ?? path.join(cacheFolder(), name);
    return { dataset: name, ...(await fetchDataset(name, folder, { url, onProgress, signal })) };
  },
  print: ({ dataset, file, bytes, fetched }) =>
    `${dataset}: ${file} (${bytes} bytes, md5 OK${fetched === 0 ? ', was there already' : ''})`,
});

const ofRuns = dataset('cifar10');

const verify = defineCommand({
  options: z.strictObject({
    name: option(z.enum(DATASETS), DATASETS.join(', '), { positional: 'name' }),
    data: ofRuns.data,
    imageSize: ofRuns.imageSize,
  }),
  examples: [['earlybird data verify imagenet --data DIR', 'every image is decoded']],
  async run({ name, data, imageSize }, { show, signal }) {
    const onProgress = (done: number, total: number, what: string) => show(what, done, total);
    const loader = name === 'imagenet' ? loaderCheck() : null;
    const report = await verifyDataset({ dataset: name, data, loader, imageSize, onProgress, signal });
    if (report.problems.length + report.notRead.length > 0) process.exitCode = 1;
    return report;
  },
  print: verifyText,
});

const SPLITS = ['train', 'val', 'train,val'] as const;
const CACHES = ['jpeg', 'yuv'] as const;

const pack = defineCommand({
  options: z.strictObject({
    from: option(
      folder().min(1),
      'the folder of the images: class folders, archives, shards, parquet, MDS or .beton files',
      { positional: 'from' },
    ),
    to: option(folder().min(1), 'the folder for the shards; created if missing', { positional: 'to' }),
    shortSide: option(count().optional(), 'largest shorter side, pixels'),
    maxSide: option(count().optional(), 'largest longer side, pixels'),
    quality: option(
      count().max(100).default(90),
      'JPEG quality of images that are changed; the others are copied',
      'a whole number from 1 to 100',
    ),
    shardSize: option(z.string().default('1000'), 'size of a shard', 'images, or megabytes such as 256MB'),
    cache: option(
      z.enum(CACHES).default('jpeg'),
      'yuv: images without their Huffman code, which take twice the space and less time to read, to the same pixels',
    ),
    split: option(z.enum(SPLITS).default('train,val'), 'what to pack'),
    maxBad: option(
      count(0).default(0),
      `more images than this that are not read make the exit code 1; all are left out and listed in ${BAD_LIST}`,
    ),
  }),
  examples: [
    ['earlybird data pack DIR SHARDS --short-side 256', 'ImageNet for training, images made smaller'],
    ['earlybird data pack DIR SHARDS --cache yuv', 'faster to read, and larger'],
  ],
  async run({ from, to, shortSide = null, maxSide = null, split, maxBad, ...options }, { show, signal }) {
    // libuv's threads decode; its pool has four unless this is set before its first use.
    process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableCores().usable));
    const { folder, manifest, bad, packed, where } = await packImages(from, to, {
      ...options,
      shortSide,
      maxSide,
      packer: options.cache === 'yuv' ? jpegPacker() : undefined,
      splits: split.split(',') as ('train' | 'val')[],
      onProgress: (done, total, what) => show(what, done, total),
      signal,
    });
    if (bad.length > maxBad) process.exitCode = 1;
    return { folder, packed, bad, where, ...manifest };
  },
  print: packText,
});

export const data = defineGroup([
  ['fetch', 'Fetch the official archive of CIFAR-10 or CIFAR-100; run again to go on after a cut', fetch],
  ['verify', 'Check a dataset: archive checksum, every image, images per class; exit code 1 if it is damaged', verify],
  [
    'pack',
    'Make tar shards of class folders, archives or other files of images: every image checked, larger ones made smaller; run again to go on',
    pack,
  ],
]);

const megabytes = (bytes: number) => Math.round(bytes / 1e6);
