/** What the benchmarks beside a peer have in common: programs run one after the other, and medians of their figures. */
import { spawn } from 'node:child_process';
import { EarlybirdError, type ErrorCode } from '../errors';
import type { RunOptions } from './observer';

export interface Spread {
  median: number;
  low: number;
  high: number;
}

export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, low: sorted[0]!, high: sorted.at(-1)! };
}

/** The least of what is known. */
export function leastOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.min(...known) : null;
}

/** The order of the programs in a round: a machine that slows down or speeds up favours nobody. */
export function orderOf<T>(systems: readonly T[], round: number): T[] {
  return round % 2 === 1 ? [...systems].reverse() : [...systems];
}

/** What a program prints. Rejects with ERR_USAGE and the last line of its errors when it fails, takes too long or is not there. */
export function runProgram(
  program: string,
  words: string[],
  { timeout }: { timeout: number },
  { signal }: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: timeout * 1000 });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000);
    });
    child.on('error', (error) => reject(signal?.aborted ? signal.reason : failed(error.message)));
    child.on('close', (code, killed) => {
      if (code === 0) return resolve(output);
      const last = errors.trim().split('\n').at(-1) || `it ended with code ${code}`;
      reject(
        ownError(last) ?? failed(killed ? `it was ended by ${killed} after at most ${timeout} s (--timeout)` : last),
      );
    });
    const failed = (why: string) =>
      new EarlybirdError(
        'ERR_USAGE',
        `${program} ${words.slice(0, 3).join(' ')} gave no figure: ${why.replace(/\.$/, '')}; --python names another Python.`,
      );
  });
}

/** What our own program, run with --json, says of itself needs no second wrapping. */
function ownError(line: string): EarlybirdError | null {
  try {
    const { error } = JSON.parse(line) as { error: { code: ErrorCode; message: string; detail?: string } };
    return new EarlybirdError(error.code, error.message, error.detail);
  } catch {
    return null;
  }
}
