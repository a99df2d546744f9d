import type { z } from 'zod';
import { idleDetectorEntries } from './detectors';
import { OPTIONS } from './option';
import { formatsOf, PRECISION_KEYS } from './precision';
import { type CommandName, SCHEMAS } from './recipe';

/** The entries of a recipe that decide what a run computes: two runs with equal identities give equal weights. */
export function identityOf(command: CommandName, recipe: object): Record<string, unknown> {
  const shape = SCHEMAS[command].shape as Record<string, z.ZodType>;
  const idle = new Set([
    ...(formatsOf(recipe) ? [] : PRECISION_KEYS),
    ...((recipe as { swa?: boolean }).swa ? [] : ['swaStart']),
    // They came later: runs of before have neither.
    ...((recipe as { syncBn?: boolean }).syncBn ? [] : ['syncBn']),
    ...((recipe as { gradientDtype?: string }).gradientDtype === 'bf16' ? [] : ['gradientDtype']),
    ...((recipe as { detector?: string }).detector === 'hamming' ? ['detector'] : []),
    ...idleDetectorEntries(recipe),
  ]);
  return Object.fromEntries(
    Object.entries(recipe).filter(([key]) => OPTIONS.get(shape[key]!)?.identity !== false && !idle.has(key)),
  );
}
