import { z } from 'zod';
import { DATASETS, type DatasetName } from '../../data/known';
import { count, FOLDER, NON_NEGATIVE, nonNegative, oneOf, optionOf, POSITIVE, positive, wholeNumber } from '../option';

const option = optionOf('Data');

const FILTERS = ['none', 'lowpass', 'highpass'] as const;
export const dataset = (standard: DatasetName) => ({
  dataset: option(z.enum(DATASETS).default(standard), 'dataset; folder is a folder of class folders', oneOf(DATASETS), {
    group: 'Common',
  }),
  data: option(
    z.string().min(1).optional(),
    'folder of the dataset; imagenet: train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, or shards of "data pack"',
    FOLDER,
    { group: 'Common', identity: false },
  ),
  limitTrain: option(count().optional(), 'use only N training images, all classes in proportion', wholeNumber(), {
    defaultHelp: 'all',
  }),
  limitTest: option(count().optional(), 'use only N test images, all classes in proportion', wholeNumber(), {
    defaultHelp: 'all',
  }),
  imageSize: option(
    count().optional(),
    'side of the square image in pixels, for datasets that can be resized',
    wholeNumber(),
    {
      defaultHelp: 'as the dataset',
    },
  ),
  workers: option(count().max(1024).optional(), 'imagenet: decoding threads', 'a whole number from 1 to 1024', {
    identity: false,
    defaultHelp: 'all cores',
  }),
  maxBad: option(
    count(0).default(100),
    'imagenet: images of one pass that may fail to decode; they are left out and counted, one more is an error',
    wholeNumber(0),
    { identity: false },
  ),
  filter: option(z.enum(FILTERS).default('none'), 'image filter', oneOf(FILTERS)),
  sigma: option(positive().default(1), 'width of the image filter, pixels', POSITIVE),
  sparsityGt: option(
    nonNegative().default(0),
    'input threshold: pixels of 0..1 not above it become 0; 0 is off',
    NON_NEGATIVE,
    {
      aliases: ['sparsify-gt'],
    },
  ),
});
