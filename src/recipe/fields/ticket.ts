import { z } from 'zod';
import { DETECTOR_NAMES, RULES } from '../detectors';
import { count, nonNegative, optionOf, ratio } from '../option';
import { isWholePercent, percentOf, WHOLE_PERCENTS } from '../ratio';

const option = optionOf('Ticket');

const EMPTY_LAYERS = ['keep-one', 'remove'] as const;
const SURGERIES = ['reference', 'exact'] as const;
export const detector = {
  ratios: option(
    z
      .array(ratio().refine(isWholePercent))
      .min(1)
      .default([0.3, 0.5, 0.7])
      .refine((list) => new Set(list.map(percentOf)).size === list.length),
    'pruning ratios to look for tickets at',
    WHOLE_PERCENTS,
  ),
  detectorWindow: option(count().default(5), 'masks (rule reference) or distances (consecutive) that must agree'),
  detectorThreshold: option(nonNegative().default(0.1), 'largest mask distance that counts as agreement'),
  detectorRule: option(
    z.enum(RULES).default('reference'),
    'reference: newest mask against each older one, at most the threshold; consecutive: adjacent masks, all below it',
  ),
};
/**
 * Options of searches: detectors other than hamming, which have defaults of their own (detectors.ts), and further masks
 * for them.
 */
export const detection = {
  detector: option(
    z.enum(DETECTOR_NAMES).default('hamming'),
    'what tells that masks have settled; the others have a --detector-window and a --detector-threshold of their own (docs/detectors.md)',
  ),
  detectorSmooth: option(count().optional(), 'detector trend: distances whose mean is one value', {
    defaultHelp: '3 there',
  }),
  detectorDecay: option(nonNegative().optional(), 'detector loss-fifo: factor of its threshold after each turn', {
    defaultHelp: '0.4 there',
  }),
  detectorTurns: option(count().optional(), 'detector loss-fifo: times that the loss must settle', {
    defaultHelp: '1 there',
  }),
  maskEvery: option(
    count().optional(),
    'also store the masks after every N steps of an epoch, for detect --steps; tickets are drawn between epochs all the same',
    { defaultHelp: 'none' },
  ),
};
export const cutting = {
  emptyLayers: option(
    z.enum(EMPTY_LAYERS).default('keep-one'),
    'a layer that would lose every channel keeps its largest |gamma|, or is removed',
  ),
  surgery: option(
    z.enum(SURGERIES).default('reference'),
    'reference: as the 2020 code prunes; exact: the ticket computes what the masked dense network does',
  ),
  roundTo: option(
    count().or(z.literal('auto')).default(1),
    'make layer widths multiples of N (such as 8) within the channels that the mask keeps; auto: where it is faster here; 1 is off',
    'a whole number, 1 or more, or auto',
  ),
  protective: option(
    z.boolean().default(false),
    'keep in every layer the channels above its 90 % point of |gamma|, whatever the mask; --percent below 0.9',
  ),
  measure: option(
    z.boolean().default(true),
    'time training steps of the dense network and of the ticket once that is written: 6 each, seconds on a CPU for images of 32 pixels, up to a minute for 224',
    { identity: false },
  ),
};
export const percent = option(ratio().default(0.5), 'pruning ratio p', { group: 'Common' });
