/** Commands of this package in processes of their own. */
import { join } from 'node:path';
import { EarlybirdError } from '../errors';
import { packageRoot } from '../package';
import type { RunOptions } from '../run/observer';
import { type Flags, flagWords, type ProgramLimits, runProgram } from './program';

/** Returns the result of a command. Throws its error; ERR_INTERNAL where it ends without one; else as `runProgram` does. */
export async function runApart<T>(
  command: readonly string[],
  flags: Flags,
  { timeout, env, killSignal }: ProgramLimits,
  { signal }: RunOptions,
): Promise<T> {
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  const words = [main, ...command, ...flagWords(stated(flags)), '--json', '--quiet'];
  const name = `earlybird ${command.join(' ')}`;
  const failed = (why: string) => new EarlybirdError('ERR_INTERNAL', `${name} gave no result: ${why}.`);
  const output = await runProgram(process.execPath, words, { name, timeout, env, killSignal, signal, failed });
  try {
    return JSON.parse(output) as T;
  } catch {
    throw failed('what it printed is not JSON');
  }
}

/** Flags with an empty list as one empty word, since a list flag without a value is refused. */
const stated = (flags: Flags): Flags =>
  Object.fromEntries(
    Object.entries(flags).map(([key, value]) => [key, Array.isArray(value) && value.length === 0 ? '' : value]),
  );
