import { z } from 'zod';
import { DATASETS } from '../data/known';
import { dataset } from './fields/data';
import { checkpointNetwork, model, ticketNetwork, weightsKey } from './fields/network';
import { AS_CHECKPOINT, lowPrecision, prunedPrecision } from './fields/precision';
import { precisionSchedule } from './fields/precision-schedule';
import { OF_IMAGES_TEXT, ranking } from './fields/ranking';
import { ranks } from './fields/ranks';
import { launcher, unused } from './fields/reference';
import { checkpoints, energy, files, runtime } from './fields/runtime';
import { cutting, detection, detector, percent } from './fields/ticket';
import { batches, continuing, logs, scratch, training } from './fields/training';
import { count, file, folder, hidden, option, optionOf, ratio } from './option';
import { isWholePercent, WHOLE_PERCENTS } from './ratio';
import { VARIANTS } from './variant';

const common = optionOf('Common');
const ticket = optionOf('Ticket');

export const searchSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  ...logs,
  ...lowPrecision(),
  ...precisionSchedule,
  ...detector,
  ...detection,
  ...ranking,
  stopAtTicket: ticket(z.boolean().default(false), 'end the search once a ticket emerged at every ratio'),
  ...checkpoints('all'),
  ...continuing(count(0).default(0), 'first epoch index'),
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  ...weightsKey,
  ...launcher,
  ...energy,
  ...ranks,
  ...runtime,
});

export const retrainSchema = z.strictObject({
  ...files,
  ...dataset('cifar100'),
  ...model,
  ...ticketNetwork,
  ...training,
  ...logs,
  ...lowPrecision('as the ticket says, else -1'),
  ...precisionSchedule,
  ...continuing(count(0).optional(), 'first epoch index; the epochs the ticket has completed, where it says so'),
  ...checkpoints('none'),
  scratch: scratch('the ticket: pruned.pth.tar; without it the dense network is trained'),
  ...weightsKey,
  softPrune: ticket(
    ratio().default(0),
    'soft filter pruning: after every epoch the smallest filters of each layer, this share of them, become 0 and train on; 0 is off',
  ),
  reinit: ticket(z.boolean().default(false), 'draw new weights instead of inheriting those of the ticket'),
  ...launcher,
  ...energy,
  ...ranks,
  ...runtime,
});

/** Options of images for criteria of gradients. */
const { limitTest, ...gradientImages } = dataset('cifar10');

export const pruneSchema = z.strictObject({
  ...files,
  ...gradientImages,
  save: common(folder().min(1).default('.'), 'folder to write pruned.pth.tar and prune.txt to'),
  dataset: common(
    z.enum(DATASETS).optional(),
    `dataset, for the number of classes, and for the images that --criterion ${OF_IMAGES_TEXT} need`,
    { defaultHelp: 'as the checkpoint' },
  ),
  batchSize: batches.batchSize,
  testBatchSize: option(count().default(256), 'accepted for compatibility; pruning needs no images', { hidden: true }),
  ...checkpointNetwork,
  percent,
  ...ranking,
  uniform: ticket(
    z.boolean().default(false),
    'take --percent of every layer whose channels go alone, and nothing of residual streams, instead of a threshold over all layers',
  ),
  model: common(file().min(1), 'checkpoint to prune (required)'),
  ...weightsKey,
  init: ticket(file().optional(), 'checkpoint whose weights the ticket gets instead (lottery-ticket rewind)'),
  ...cutting,
  ...prunedPrecision(),
  multiGPU: option(count(0).optional(), 'accepted for compatibility; prefixes are recognised', {
    flag: 'multi-GPU',
    hidden: true,
  }),
  ...energy,
  ...runtime,
});

export const trainSchema = z.strictObject({
  ...files,
  ...dataset('cifar10'),
  ...model,
  ...training,
  ...logs,
  variant: optionOf('Precision')(
    z.enum(VARIANTS).optional(),
    "the paper's names: full or low precision in the search and in the retraining (lf: low, then full)",
    { defaultHelp: 'll where --format or a --wl option is given, else ff; lf and ll take 8 bits where none is' },
  ),
  ...lowPrecision(),
  ...precisionSchedule,
  percent: common(
    ratio().refine(isWholePercent).default(0.3),
    'pruning ratio p of the ticket',
    'a number from 0 to 0.99 in whole percents',
  ),
  ratios: ticket(detector.ratios.unwrap().optional(), 'further ratios to follow in the search', WHOLE_PERCENTS, {
    defaultHelp: 'only --percent',
  }),
  detectorWindow: detector.detectorWindow,
  detectorThreshold: detector.detectorThreshold,
  detectorRule: detector.detectorRule,
  ...detection,
  ...ranking,
  ...cutting,
  fromScratch: ticket(z.boolean().default(false), 'retrain the ticket from new weights, for all epochs'),
  init: ticket(
    z.string().optional(),
    "checkpoint whose weights the ticket gets (lottery-ticket rewind); self for this run's initial weights",
    'the path of a file, or self',
  ),
  compareDense: optionOf('Training')(
    z.boolean().default(false),
    'train the dense network to the end as well, for comparison',
  ),
  ...checkpoints('none'),
  ...energy,
  ...ranks,
  ...runtime,
});

export const evaluateSchema = z.strictObject({
  ...unused,
  startEpoch: hidden(option(count(0).optional(), 'accepted for compatibility')),
  ...dataset('cifar10'),
  ...checkpointNetwork,
  cfg: model.cfg,
  ...lowPrecision(AS_CHECKPOINT),
  ...batches,
  batchSize: optionOf('Training')(count().optional(), 'images per test batch, as the evaluation scripts name it', {
    defaultHelp: 'as --test-batch-size',
  }),
  scratch: scratch('pruned.pth.tar whose cfg the network takes'),
  resume: common(file().optional(), 'checkpoint to evaluate', { aliases: ['model'], positional: 'file' }),
  ...weightsKey,
  ...launcher,
  ...energy,
  rankTimeout: ranks.rankTimeout,
  ...runtime,
});
