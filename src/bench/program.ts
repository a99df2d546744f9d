/** Programs that are timed in a process of their own. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EarlybirdError, type ErrorCode } from '../errors';
import type { RunOptions } from '../run/observer';

/**
 * Returns the output of a program. Rejects with ERR_USAGE and its last error line if it fails, is missing or takes too
 * long.
 */
export function runProgram(
  program: string,
  words: string[],
  { timeout }: { timeout: number },
  { signal }: RunOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      ...{ stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: timeout * 1000 },
      env: { ...process.env, ...env },
    });
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

/** The error that our own program prints when run with --json. */
function ownError(line: string): EarlybirdError | null {
  try {
    const { error } = JSON.parse(line) as { error: { code: ErrorCode; message: string; detail?: string } };
    return new EarlybirdError(error.code, error.message, error.detail);
  } catch {
    return null;
  }
}

export type Flags = Record<string, string | number | boolean | readonly (string | number)[] | undefined>;

/** Turns { batchSize: 64 } into --batch-size 64, lists into several words; undefined values are left out. */
export function flagWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, ...[value].flat().map(String)],
  );
}

/** Calls `work` with a new folder, which is removed afterwards. */
export async function inTemporaryFolder<R>(work: (folder: string) => Promise<R>): Promise<R> {
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
