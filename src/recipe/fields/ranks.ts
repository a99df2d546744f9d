import { z } from 'zod';
import { count, optionOf } from '../option';

const option = optionOf('Machine');

/** Options of several processes that train together (ranks/). */
export const ranks = {
  syncBn: option(
    z.boolean().default(false),
    'with several ranks: BatchNorm takes the statistics of a step over all of them, so that they compute what one process computes',
    { flag: 'sync-bn' },
  ),
  gradientDtype: option(
    z.enum(['fp32', 'bf16']).default('fp32'),
    'with several ranks: in which form gradients are exchanged; bf16 halves the bytes and rounds each gradient to 8 bits',
  ),
  rankTimeout: option(
    count(1).default(300),
    'with several ranks: seconds that a step waits for a rank that hangs before the run ends',
    { identity: false },
  ),
};
