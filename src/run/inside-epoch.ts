/**
 * Contents of a checkpoint inside an epoch beside the weights: JSON in the `earlybird` dictionary, which PyTorch reads
 * as a string.
 */
import { z } from 'zod';
import type { Dict, Value } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import type { EpochPosition } from '../native/types/pass';
import type { EnergyTotals, EpochMetrics } from './metrics';

export interface InsideEpoch {
  /** Position in the epoch, with the sums over the completed steps. */
  position: EpochPosition;
  /** Distances of the mask drawn before the epoch. */
  distances: EpochMetrics['distances'];
  signals?: EpochMetrics['signals'];
  /** Energy spent in the epoch so far; null where it was not metered throughout. */
  energy: EnergyTotals | null;
}

const KEY = 'inside_epoch';
const whole = z.number().int().nonnegative();
const SCHEMA: z.ZodType<InsideEpoch> = z.object({
  position: z.object({
    batches: whole,
    steps: whole,
    images: whole,
    sums: z.array(z.number()),
    seconds: z.number(),
    waited: z.number(),
    bad: z.array(z.object({ index: whole, reason: z.string() })),
  }),
  distances: z.record(z.string(), z.array(z.number()).nullable()),
  signals: z.record(z.string(), z.number().nullable()).exactOptional(),
  energy: z
    .record(
      z.string(),
      z.object({
        windows: whole,
        seconds: z.number(),
        joules: z.number().nullable(),
        parts: z.record(z.string(), z.number()).exactOptional(),
        hosts: z.record(z.string(), z.number()).exactOptional(),
        reason: z.string().exactOptional(),
      }),
    )
    .nullable(),
});

export const insideEntries = (inside: InsideEpoch | undefined): [string, Value][] =>
  inside ? [[KEY, JSON.stringify(inside)]] : [];

/** Reads the contents; undefined for a checkpoint between epochs. Throws ERR_CHECKPOINT. */
export function insideFrom(extras: Dict | null, path: string): InsideEpoch | undefined {
  const text = extras?.get(KEY);
  if (text === undefined) return undefined;
  try {
    return SCHEMA.parse(JSON.parse(text as string));
  } catch (error) {
    throw new EarlybirdError(
      'ERR_CHECKPOINT',
      `${path} does not say where inside its epoch it was written: remove it, and the run goes on from its last whole epoch.`,
      String(error),
    );
  }
}
