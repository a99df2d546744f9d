/** The report of a pruning: its arithmetic and its texts. */
import type { Cfg, PrunedLayer } from '../native/types/model';
import type { Costs } from '../network/flops';
import type { PruneRecipe } from '../recipe/recipe';

/** Fractions of the dense network that the ticket saves. */
interface Shares {
  /** Share of the channels of all BatchNorm layers that are no longer computed; a masked channel may still be. */
  channels: number;
  parameters: number;
  flops: number;
  /** Share of the time of a training step; null where it was not measured, absent in files of older versions. */
  time?: number | null;
}

/** Milliseconds of a training step, medians of steps measured in turns on this machine. */
interface StepTime {
  batchSize: number;
  /** Side of the images, pixels. */
  imageSize: number;
  dense: number;
  ticket: number;
  /** Ratio of the ticket to the dense network. */
  ratio: number;
  /** Shortest and longest of five steps, milliseconds; absent in files of older versions. */
  ranges?: Record<'dense' | 'ticket', { low: number; high: number }>;
  /** True where the steps of one network differ so much that the ratio means little. */
  noisy?: boolean;
}

/** Result of `prune`. */
export interface PruneReport {
  /** Path of pruned.pth.tar. */
  ticket: string;
  /** Pruning ratio p, 0 to 1. */
  ratio: number;
  /** Criterion that ranks the channels; absent in files of older versions, which used gamma. */
  criterion?: PruneRecipe['criterion'];
  /** Costs that the ratio is a share of; absent in files of older versions, which used channels. */
  budget?: PruneRecipe['budget'];
  surgery: PruneRecipe['surgery'];
  /**
   * Number that widths are multiples of: 1 for no rounding, "auto" for the multiples that are fastest on this machine.
   */
  roundTo: PruneRecipe['roundTo'];
  /** True where every layer keeps the channels above its 90 % point of |gamma|. */
  protective: boolean;
  /** Shares that are actually saved. */
  effective: Shares;
  /** Channels whose |gamma| or score is not above this are masked. */
  threshold: number;
  /** Number N of channels of all BatchNorm layers. */
  channels: number;
  /** Number of channels that the mask keeps. */
  kept: number;
  /** The BatchNorm layers in mask order. */
  layers: PrunedLayer[];
  /** Cost of drawing the mask as the reference reports it, in KB and FLOPs. */
  maskMemoryKB: number;
  maskFlops: number;
  /** Channel widths of the ticket. */
  cfg: Cfg;
  before: Costs;
  after: Costs;
  /** Times of a training step; null where they were not measured, with the reason in `timeMissing`. */
  time: StepTime | null;
  timeMissing: string | null;
  /** Costs of the ticket of the same mask without --round-to; `step`: milliseconds of its training step. */
  unrounded: (Costs & { step: number | null }) | null;
  /**
   * Number of epochs that the weights of the ticket have seen, those of --init where it is given; null where the file
   * does not record it.
   */
  completed: number | null;
  /** Number of completed epochs at which the mask was drawn, those of --model. */
  drawn: number | null;
}

export function sharesOf(layers: readonly PrunedLayer[], before: Costs, after: Costs): Shares {
  const sum = (field: 'width' | 'total') => layers.reduce((total, layer) => total + layer[field], 0);
  return {
    channels: 1 - sum('width') / sum('total'),
    parameters: 1 - after.parameters / before.parameters,
    flops: 1 - after.flops / before.flops,
  };
}

/** Notes for the log, a line each. */
export function pruneNotes({
  cutsLiveChannels,
  surgery,
  rewound,
  layers,
  budget,
  criterion = 'gamma',
}: {
  cutsLiveChannels: boolean;
  surgery: PruneReport['surgery'];
  /** True where the ticket gets other weights, so that there is no function to keep. */
  rewound: boolean;
  layers: readonly PrunedLayer[];
  /** Number of channels that the mask keeps, where widths were rounded within them. */
  budget?: number | undefined;
  criterion?: PruneReport['criterion'];
}): string[] {
  const notes: string[] = [];
  if (cutsLiveChannels && !rewound) {
    notes.push(
      "reference surgery is not function-preserving here (the reference's rule takes channels out of a residual stream that are not zero); --surgery exact is",
    );
  }
  for (const { key, clamped, removed } of layers) {
    if (removed) notes.push(`warning: ${key} lost every channel and is removed`);
    else if (clamped > 0) {
      const how =
        surgery === 'exact' && !rewound
          ? 'what reads it starts at zero'
          : `largest ${criterion === 'gamma' ? '|gamma|' : 'score'}`;
      notes.push(`warning: ${key} would have lost every channel; ${clamped} kept (${how})`);
    }
  }
  const kept = layers.reduce((sum, layer) => sum + layer.kept, 0);
  if (budget !== undefined && kept > budget) {
    notes.push(
      `warning: the mask keeps ${budget} channels, but rounded widths need ${kept}: a smaller --round-to fits it`,
    );
  }
  return notes;
}

/** A cfg as Python prints it. */
export function pythonList(cfg: Cfg): string {
  return `[${cfg.map((width) => (width === 'M' ? "'M'" : width)).join(', ')}]`;
}

/**
 * Text of prune.txt: both parts that the reference writes of the ticket (its second overwrites the first), with
 * `indexes` counted as it counts them.
 */
export function pruneText({ cfg, after }: PruneReport): string {
  const lines = ['Configuration: ', pythonList(cfg), 'Number of parameters: ', after.parametersWithIndexes];
  return [...lines, 'new model param: ', after.parametersWithIndexes, 'new model flops: ', after.flops, ''].join('\n');
}
