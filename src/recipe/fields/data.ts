import { z } from 'zod';
import { DATASETS, type DatasetName } from '../../data/known';
import { count, folder, nonNegative, optionOf, positive } from '../option';

const option = optionOf('Data');

const FILTERS = ['none', 'lowpass', 'highpass'] as const;
export const dataset = (standard: DatasetName) => ({
  dataset: option(z.enum(DATASETS).default(standard), 'dataset; folder is a folder of class folders', {
    group: 'Common',
  }),
  data: option(
    folder().min(1).optional(),
    'folder of the dataset: class folders, archives, tar shards, parquet, MDS or .beton files (docs/imagenet.md)',
    { group: 'Common', identity: false },
  ),
  limitTrain: option(count().optional(), 'use only N training images, all classes in proportion', {
    defaultHelp: 'all',
  }),
  limitTest: option(count().optional(), 'use only N test images, all classes in proportion', { defaultHelp: 'all' }),
  imageSize: option(count().optional(), 'side of the square image in pixels, for datasets that can be resized', {
    defaultHelp: 'as the dataset',
  }),
  workers: option(count(1, 1024).optional(), 'imagenet: decoding threads', {
    identity: false,
    defaultHelp: 'all cores',
  }),
  maxBad: option(
    count(0).default(100),
    'imagenet: images of one pass that may fail to decode; they are left out and counted, one more is an error',
    { identity: false },
  ),
  filter: option(z.enum(FILTERS).default('none'), 'image filter'),
  sigma: option(positive().default(1), 'width of the image filter, pixels'),
  sparsityGt: option(nonNegative().default(0), 'input threshold: pixels of 0..1 not above it become 0; 0 is off', {
    aliases: ['sparsify-gt'],
  }),
});
