/** The report of a pruning: its arithmetic and its texts. */
import type { Cfg, PrunedLayer } from '../native/types/model';
import type { Costs } from '../network/flops';
import type { PruneRecipe } from '../recipe/recipe';

/** Fractions of the dense network that the ticket does without. */
interface Shares {
  /** Channels of all BN layers that are no longer computed; a masked channel may still be. */
  channels: number;
  parameters: number;
  flops: number;
  /** Time of a training step; null where it was not measured, absent in files of older versions. */
  time?: number | null;
}

/** A training step, measured in turns on this machine: medians, milliseconds. */
interface StepTime {
  batchSize: number;
  /** Side of the images, pixels. */
  imageSize: number;
  dense: number;
  ticket: number;
  /** ticket / dense. */
  ratio: number;
  /** Shortest and longest of five steps; absent in files of older versions. */
  ranges?: Record<'dense' | 'ticket', { low: number; high: number }>;
  /** The steps of one network differ so much that the ratio means little. */
  noisy?: boolean;
}

/** Result of `prune`. */
export interface PruneReport {
  /** Path of pruned.pth.tar. */
  ticket: string;
  /** Pruning ratio p, 0 to 1. */
  ratio: number;
  /** What ranks the channels, and what the ratio is a share of. Absent in files of older versions: gamma and channels. */
  criterion?: PruneRecipe['criterion'];
  budget?: PruneRecipe['budget'];
  surgery: PruneRecipe['surgery'];
  /** Widths are multiples of this; 1 is no rounding, and auto those that are fastest on this machine. */
  roundTo: PruneRecipe['roundTo'];
  /** Every layer keeps the channels above its 90 % point of |gamma|. */
  protective: boolean;
  /** Shares that are really gone. */
  effective: Shares;
  /** Channels whose |gamma| or score is not above this are masked. */
  threshold: number;
  /** N: channels of all BN layers. */
  channels: number;
  /** Channels that the mask keeps. */
  kept: number;
  /** The BN layers in mask order. */
  layers: PrunedLayer[];
  /** Cost of drawing the mask, as the reference reports it: KB, FLOPs. */
  maskMemoryKB: number;
  maskFlops: number;
  /** Channel widths of the ticket. */
  cfg: Cfg;
  before: Costs;
  after: Costs;
  /** Null where it was not measured; `timeMissing` says why. */
  time: StepTime | null;
  timeMissing: string | null;
  /** With --round-to: the ticket of the same mask without rounding. `step` is its training step, milliseconds. */
  unrounded: (Costs & { step: number | null }) | null;
  /** Epochs the weights of the ticket have seen: those of --init where it is given. Null where the file does not say. */
  completed: number | null;
  /** Completed epochs at which the mask was drawn: those of --model. */
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
  /** The ticket gets other weights: no function to keep. */
  rewound: boolean;
  layers: readonly PrunedLayer[];
  /** Channels that the mask keeps, where widths were rounded within them. */
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

/** prune.txt: both parts that the reference writes (its second overwrites the first), counts with `indexes` as it counts them. */
export function pruneText({ cfg, before, after }: PruneReport): string {
  const lines = ['Configuration:', pythonList(cfg), 'Number of parameters:', before.parametersWithIndexes];
  return [...lines, 'new model param: ', after.parametersWithIndexes, 'new model flops: ', after.flops, ''].join('\n');
}
