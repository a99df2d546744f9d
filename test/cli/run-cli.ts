/** Runs the built command line in a child process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const root = resolve(__dirname, '..', '..');
export const main = process.env.EARLYBIRD_CLI ?? join(root, 'dist', 'cli', 'main.js');

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  done: Promise<Outcome>;
}

export function start(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
    env: { ...process.env, ...options.env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const done = new Promise<Outcome>((settle, fail) => {
    child.on('error', fail);
    child.on('close', (status, signal) => settle({ status, signal, stdout, stderr }));
  });
  return { child, done };
}

/** `earlybird ...args`. */
export const cli = (args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
  start(process.execPath, [main, ...args], options);

/** Runs to the end and expects exit code 0. */
export async function succeed(
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  const outcome = await cli(args, options).done;
  if (outcome.status !== 0)
    throw new Error(`earlybird ${args.join(' ')} ended with ${outcome.status}: ${outcome.stderr}`);
  return outcome;
}

/** Waits until something holds; fails after a minute. */
export async function until(holds: () => boolean, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !holds(); await sleep(50))
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${holds}`);
}

/** Starts a run and sends `signal` once, as soon as a file whose name matches appears or changes in its folder. */
export async function stopWhen(
  args: string[],
  save: string,
  matches: (name: string) => boolean,
  signal: NodeJS.Signals,
): Promise<Outcome> {
  await mkdir(save, { recursive: true });
  const { child, done } = cli(args);
  let sent = false;
  const watchers = [save, join(save, 'masks')].map((path) => {
    if (!existsSync(path)) return null;
    return watch(path, (_event, name) => {
      if (!sent && name && matches(name)) sent = child.kill(signal);
    });
  });
  const outcome = await done;
  for (const watcher of watchers) watcher?.close();
  return outcome;
}

/** The reason why training cannot be tested here, or null. */
function whyNot(): string | null {
  if (!existsSync(main)) return `${main} has not been built`;
  const addon = join(dirname(main), '..', 'native', 'addon.js');
  const { status, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addon)}).loadAddon()`], {
    encoding: 'utf8',
  });
  return status === 0 ? null : (/EarlybirdError: (.*)/.exec(stderr)?.[1] ?? stderr);
}

const reason = whyNot();
if (reason !== null) console.warn(`skipped: the native addon cannot be loaded: ${reason}`);

/** Like test and describe, where the native addon can be loaded; skipped with a printed reason elsewhere. */
export const trained = reason === null ? test : test.skip;
export const describeTrained = reason === null ? describe : describe.skip;
