import type { z } from 'zod';
import { idleDetectorEntries } from './detectors';
import { idleRanking, needsImages } from './fields/ranking';
import { OPTIONS } from './option';
import { formatsOf, PRECISION_KEYS } from './precision';
import { isScheduled, SCHEDULE_KEYS } from './precision-schedules';
import { type CommandName, SCHEMAS } from './recipe';

/** Options that pruning uses only where its criterion needs images. */
export const PRUNE_IMAGES = ['batchSize', 'limitTrain', 'imageSize', 'filter', 'sigma', 'sparsityGt'];

/** The entries of a recipe that decide what a run computes: two runs with equal identities give equal weights. */
export function identityOf(command: CommandName, recipe: object): Record<string, unknown> {
  const shape = SCHEMAS[command].shape as Record<string, z.ZodType>;
  const idle = new Set([
    ...(formatsOf(recipe) ? [] : PRECISION_KEYS),
    ...((recipe as { swa?: boolean }).swa ? [] : ['swaStart']),
    // These options were added later, so older runs lack them.
    ...((recipe as { syncBn?: boolean }).syncBn ? [] : ['syncBn']),
    ...idleRanking(recipe),
    ...((recipe as { uniform?: boolean }).uniform ? [] : ['uniform']),
    ...((recipe as { softPrune?: number }).softPrune ? [] : ['softPrune']),
    ...(command === 'prune' && !needsImages((recipe as { criterion?: string }).criterion) ? PRUNE_IMAGES : []),
    ...((recipe as { gradientDtype?: string }).gradientDtype === 'bf16' ? [] : ['gradientDtype']),
    ...((recipe as { detector?: string }).detector === 'hamming' ? ['detector'] : []),
    ...idleDetectorEntries(recipe),
    ...(isScheduled(recipe) ? [] : SCHEDULE_KEYS),
  ]);
  return Object.fromEntries(
    Object.entries(recipe).filter(([key]) => OPTIONS.get(shape[key]!)?.identity !== false && !idle.has(key)),
  );
}
