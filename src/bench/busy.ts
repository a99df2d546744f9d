/** Busy programs beside a measurement. Each spins on one core, and ends with this process, however that ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * The program spins for 20 ms at a time and checks in between whether its input has ended, which happens when its
 * parent is gone.
 */
const SPIN = `
process.stdin.on('end', () => process.exit()).on('error', () => process.exit()).resume();
process.stdout.write('busy');
(function spin() {
  for (const end = Date.now() + 20; Date.now() < end; );
  setImmediate(spin);
})();
`;

/** Returns the result of `work`, during which `count` busy programs run. */
export async function besideBusy<R>(count: number, work: () => Promise<R>): Promise<R> {
  const programs = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', SPIN], { stdio: ['pipe', 'pipe', 'ignore'] }),
  );
  try {
    await Promise.all(programs.map(started));
    return await work();
  } finally {
    await Promise.all(programs.map(ended));
  }
}

async function started(program: ChildProcess): Promise<void> {
  await once(program, 'spawn'); // rejects where it does not start
  await once(program.stdout!, 'data');
}

async function ended(program: ChildProcess): Promise<void> {
  if (program.pid === undefined || program.exitCode !== null || program.signalCode !== null) return;
  const gone = once(program, 'exit');
  program.kill('SIGKILL');
  await gone;
}
