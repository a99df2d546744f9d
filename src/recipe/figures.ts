import { z } from 'zod';
import { weightsKey } from './fields/network';
import { unusedBits } from './fields/reference';
import { files, runtime } from './fields/runtime';
import { percent } from './fields/ticket';
import { count, file, folder, option, ratio } from './option';

/** Kinds of files that figures are written as. */
export const FIGURE_FORMATS = ['svg', 'png', 'pdf'] as const;
const FORMATS_TEXT = 'some of svg, png and pdf';

export const distanceSchema = z.strictObject({
  ...files,
  dataset: option(z.string().optional(), 'accepted for compatibility', 'a name', { hidden: true }),
  testBatchSize: option(count().optional(), 'accepted for compatibility', { hidden: true }),
  depth: option(count().optional(), 'accepted for compatibility; read from the checkpoints', { hidden: true }),
  arch: option(z.string().optional(), 'accepted for compatibility; read from the checkpoints', 'a name', {
    hidden: true,
  }),
  model: option(file().optional(), 'accepted for compatibility', { hidden: true }),
  save_1: option(folder().optional(), 'accepted for compatibility', { flag: 'save-1', hidden: true }),
  ...unusedBits,
  percent,
  ratios: option(
    z.array(ratio()).min(1).optional(),
    'several ratios at once, instead of --percent',
    'numbers from 0 up to 1',
  ),
  startEpoch: option(count(0).optional(), 'first row: the mask after this many completed epochs', {
    defaultHelp: 'the first there is',
  }),
  endEpoch: option(count(0).optional(), 'last row (inclusive)', { defaultHelp: 'the last there is' }),
  from: option(
    z.enum(['auto', 'masks', 'checkpoints']).default('auto'),
    'read masks/*.bits, or the checkpoints, whose masks are those by |gamma| whatever the search ranked by',
    'auto, masks or checkpoints',
  ),
  ...weightsKey,
  noCuda: runtime.noCuda,
  gpuIds: runtime.gpuIds,
});

export const plotSchema = z.strictObject({
  folders: option(z.array(z.string()).min(1).default(['.']), 'folders of runs', 'paths of folders', {
    positional: 'folders',
  }),
  ratios: option(z.array(ratio()).min(1).optional(), 'pruning ratios to draw', 'numbers from 0 up to 1', {
    defaultHelp: 'all there are',
  }),
  overlap: option(z.boolean().default(false), 'draw the overlap instead of the distance'),
  drawing: option(
    z.boolean().default(false),
    'draw accuracy against drawing epoch instead, from finished runs of train or retrain',
  ),
  output: option(folder().min(1).optional(), 'folder of the sheet', { flag: 'save', defaultHelp: 'the first folder' }),
  name: option(
    z
      .string()
      .regex(/^[\w.-]+$/)
      .optional(),
    'file name of the figure, without extension',
    'a file name',
    { defaultHelp: 'mask-distance, or drawing-epoch' },
  ),
  title: option(
    z.array(z.string()).min(1).optional(),
    'network named in the figure: one text for each folder, or one for all',
    'texts',
  ),
  initial: option(
    z.boolean().default(false),
    'also draw the mask from before training: all its gammas are equal, and it is equally far from all others',
  ),
  format: option(
    z
      .array(z.enum(FIGURE_FORMATS))
      .min(1)
      .default([...FIGURE_FORMATS]),
    'kinds of files',
    FORMATS_TEXT,
  ),
});
