/** The process ends with the right code and no crash, however it ends while the engine trains. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function run(scenario: string, during?: (child: ChildProcess, stdout: string) => void): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(__dirname, 'scenarios.cjs'), scenario]);
    let stdout = '';
    let stderr = '';
    const deadline = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${scenario} did not end; stdout: ${stdout}; stderr: ${stderr}`));
    }, 90_000);
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      during?.(child, stdout);
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    // Only now all of its output is here, which the end of the process does not say.
    child.on('close', (code, signal) => {
      clearTimeout(deadline);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

test('process.exit() during an epoch keeps its exit code', async () => {
  expect(await run('exit')).toMatchObject({ code: 7, signal: null, stderr: '' });
});

test('process.exit() while a job of a worker waits its turn does not hang', async () => {
  expect(await run('exitWithQueuedJob')).toMatchObject({ code: 7, signal: null, stderr: '' });
});

test('process.exit() while an energy window is open, which a thread samples', async () => {
  expect(await run('exitWithOpenWindow')).toMatchObject({ code: 7, signal: null, stderr: '' });
});

test('an uncaught exception during an epoch exits with 1', async () => {
  const ending = await run('uncaught');
  expect(ending).toMatchObject({ code: 1, signal: null });
  expect(ending.stderr).toContain('on purpose');
  expect(ending.stderr).not.toContain('terminate called');
});

test('a process whose last work is an epoch ends by itself with 0', async () => {
  expect(await run('natural')).toMatchObject({ code: 0, signal: null, stdout: 'epoch over\n', stderr: '' });
});

test('SIGTERM during an epoch ends the process by that signal', async () => {
  let sent = false;
  const ending = await run('sigterm', (child, stdout) => {
    if (!sent && stdout.includes('training')) sent = child.kill('SIGTERM');
  });
  expect(ending).toMatchObject({ code: null, signal: 'SIGTERM' });
});

test('worker.terminate() during an epoch leaves the main thread able to train', async () => {
  expect(await run('terminate')).toMatchObject({
    code: 0,
    signal: null,
    stdout: 'worker exit 1\nimages 500\n',
    stderr: '',
  });
});

test('worker.terminate() does not wait for the epoch of another thread that its job is queued behind', async () => {
  expect(await run('terminateWithQueuedJob')).toMatchObject({ code: 7, signal: null, stdout: 'epoch goes on\n' });
});

test('a worker that has trained ends by itself', async () => {
  expect(await run('workerEnds')).toMatchObject({
    code: 0,
    signal: null,
    stdout: 'images 500\nworker exit 0\n',
    stderr: '',
  });
});

test('a progress listener that throws ends its epoch with that error', async () => {
  expect(await run('callbackThrows')).toMatchObject({ code: 0, signal: null, stdout: 'listener failed\n' });
});
