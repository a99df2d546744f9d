/** Programs in processes of their own. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EarlybirdError, type ErrorCode } from '../errors';

/** Limits of a program. */
export interface ProgramLimits {
  /** Seconds after which it is ended (--timeout); none where absent. */
  timeout?: number | undefined;
  /** Variables added to the environment of this process. */
  env?: NodeJS.ProcessEnv;
  /** Signal that ends the program after the timeout and where it is aborted. */
  killSignal?: NodeJS.Signals;
}

interface ProgramOptions extends ProgramLimits {
  /** Name of the program in errors. */
  name: string;
  signal?: AbortSignal | undefined;
  /** Makes the error of a program that fails and prints none of ours. `why` ends a sentence, without its full stop. */
  failed(why: string): EarlybirdError;
}

/**
 * Returns the output of a program, once its process is gone. Throws the error that a program of ours prints with --json,
 * else the one that `failed` makes of its last error line; ERR_OUT_OF_MEMORY where others killed it; ERR_USAGE where it
 * takes longer than its timeout; the reason of the signal.
 */
export function runProgram(
  program: string,
  words: readonly string[],
  { name, timeout, env, killSignal, signal, failed }: ProgramOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...{ signal, killSignal, timeout: timeout && timeout * 1000 },
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-10_000);
    });
    child.on('error', ({ message }) => {
      // A process that runs is waited for.
      if (child.pid === undefined) reject(signal?.aborted ? signal.reason : failed(message));
    });
    child.on('close', (code, ended) => {
      if (signal?.aborted) return reject(signal.reason);
      if (code === 0) return resolve(output);
      if (child.killed) return reject(tooLong(name, timeout!));
      if (ended === 'SIGKILL') return reject(killed(name));
      const last = errors.trim().split('\n').at(-1)!;
      const why = last || (ended ? `it was ended by ${ended}` : `it ended with code ${code}`);
      reject(ownError(last) ?? failed(why.replace(/\.$/, '')));
    });
  });
}

const tooLong = (name: string, seconds: number) =>
  new EarlybirdError('ERR_USAGE', `${name} did not end within ${seconds} s: give a longer --timeout.`);

/** Linux kills a process that takes more memory than there is. */
const killed = (name: string) =>
  new EarlybirdError('ERR_OUT_OF_MEMORY', `${name} was killed, probably for memory; the same command tries it again.`);

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
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
