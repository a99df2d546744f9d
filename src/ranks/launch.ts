/** Starts the ranks of one host as processes of their own, and ends them together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';

/** Bytes that are kept of the end of a rank's error output, and lines of them that are shown where it fails. */
const KEPT_BYTES = 8192;
const SHOWN_LINES = 20;
/**
 * Milliseconds that the other ranks get to end by themselves after the first one failed, and again after they were
 * asked to.
 */
const GRACE_MS = 10_000;

interface Rank {
  child: ChildProcess;
  /** File of its output. */
  file: string;
  /** The last lines of its error output. */
  lastLines: () => string[];
}

interface End {
  /** Exit code as a shell gives it: 128 plus the number of the signal that ended it, if one did. */
  code: number;
  /** In words. */
  how: string;
  /** True where the process ended by itself, and could say why. */
  byItself: boolean;
}

export interface LaunchOptions {
  nproc: number;
  /** Program and arguments of every rank. */
  command: string[];
  /** Folder in which the output of each rank is kept; that of rank 0 is shown as well. */
  logs: string;
  env?: NodeJS.ProcessEnv;
}

/** Starts this program again as the ranks of this host; see {@link launch}. `save`: the folder of their run. */
export function launchSelf(nproc: number, words: readonly string[], save: string): Promise<number> {
  return launch({ nproc, command: [process.execPath, process.argv[1]!, ...words], logs: join(save, 'logs') });
}

/**
 * Runs all ranks to their end. Returns the exit code of the first that failed, or 0, and writes to stderr how that one
 * ended, unless it was shown or asked for. SIGINT and SIGTERM are passed on to all of them.
 */
export async function launch({ nproc, command, logs, env = process.env }: LaunchOptions): Promise<number> {
  const port = await freePort();
  await mkdir(logs, { recursive: true });
  const ranks = Array.from({ length: nproc }, (_, rank) => start(command, rank, nproc, port, logs, env));
  const send = (signal: NodeJS.Signals) => {
    for (const { child } of ranks) child.kill(signal);
  };
  let asked = false;
  const forward = (signal: NodeJS.Signals) => {
    asked = true;
    send(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, forward);
  let first = 0;
  const timers: NodeJS.Timeout[] = [];
  await Promise.all(
    ranks.map(async ({ child, file, lastLines }, rank) => {
      const { code, how, byItself } = await endOf(child);
      if (code === 0 || first !== 0) return;
      first = code;
      const shown = rank === 0 && byItself;
      if (!shown && !asked) {
        const told = [`rank ${rank} ${how}; its output is in ${file}:`, ...lastLines()];
        process.stderr.write(`${told.join('\n').trimEnd()}\n`);
      }
      timers.push(
        setTimeout(() => send('SIGTERM'), GRACE_MS),
        setTimeout(() => send('SIGKILL'), 2 * GRACE_MS),
      );
    }),
  );
  for (const timer of timers) clearTimeout(timer);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, forward);
  return first;
}

function start(
  [program, ...args]: string[],
  rank: number,
  nproc: number,
  port: number,
  logs: string,
  env: NodeJS.ProcessEnv,
): Rank {
  const child = spawn(program!, args, {
    // Each rank has a group of its own, so that Ctrl-C reaches it once. Its channel closes when this process is gone.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...env, ...rankEnvironment(rank, nproc, port), EARLYBIRD_LAUNCH: '1' },
  });
  const file = join(logs, `rank-${rank}.log`);
  // The run before may have left there why this one is needed.
  const log = createWriteStream(file, { flags: 'a' });
  // A full disk must not end the ranks, nor stop them at a pipe that nobody reads.
  log.once('error', ({ message }) => {
    process.stderr.write(`the output of rank ${rank} is no longer kept: ${message}\n`);
    for (const stream of [child.stdout!, child.stderr!]) stream.unpipe(log).resume();
  });
  for (const [stream, shown] of [
    [child.stdout!, process.stdout],
    [child.stderr!, process.stderr],
  ] as const) {
    stream.pipe(log, { end: false });
    if (rank === 0) stream.pipe(shown, { end: false });
  }
  child.once('close', () => log.end());
  let kept: Buffer = Buffer.alloc(0);
  child.stderr!.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-KEPT_BYTES);
  });
  return { child, file, lastLines: () => kept.toString().trimEnd().split('\n').slice(-SHOWN_LINES) };
}

/** Variables that torchrun would set for a rank of this host. */
export const rankEnvironment = (rank: number, nproc: number, port: number) => ({
  RANK: String(rank),
  LOCAL_RANK: String(rank),
  WORLD_SIZE: String(nproc),
  LOCAL_WORLD_SIZE: String(nproc),
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: String(port),
});

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve({ code: 127, how: `did not start (${message})`, byItself: false }));
    child.once('close', (code, signal) =>
      resolve(
        code === null
          ? { code: 128 + (constants.signals[signal!] ?? 0), how: `was ended by ${signal}`, byItself: false }
          : { code, how: `ended with code ${code}`, byItself: true },
      ),
    );
  });
}

/** A port that is free now. Another process may take it before its use, which is then an error of the store. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Asks this rank to stop cleanly once the process that launched it is gone. */
export function endWithLauncher(): void {
  if (!process.channel) return;
  process.channel.unref();
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}
