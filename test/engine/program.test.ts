/** How a program in a process of its own ends, and what is told of it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { inTemporaryFolder, runProgram } from '../../src/engine/program';
import { EarlybirdError } from '../../src/errors';
import { temporaryFolder } from '../cli/tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const failed = (why: string) => new EarlybirdError('ERR_USAGE', `It failed: ${why}.`);
const run = (code: string, more: { timeout?: number; signal?: AbortSignal } = {}) =>
  runProgram(process.execPath, ['-e', code], { name: 'the program', failed, ...more });
const FOREVER = 'setInterval(() => {}, 1000)';

test('its output, with what is added to the environment', async () => {
  const options = { name: 'the program', failed, env: { EB_TEST: 'there' } };
  expect(await runProgram(process.execPath, ['-e', 'process.stdout.write(process.env.EB_TEST)'], options)).toBe(
    'there',
  );
});

test.each([
  [
    'the last line of what it says',
    'console.error("first"); console.error("no such thing."); process.exit(3)',
    'no such thing',
  ],
  ['its exit code', 'process.exit(3)', 'it ended with code 3'],
  ['the signal that ended it', 'process.kill(process.pid, "SIGTERM")', 'it was ended by SIGTERM'],
])('a failure is told by %s', async (_by, code, why) => {
  await expect(run(code)).rejects.toMatchObject({ code: 'ERR_USAGE', message: `It failed: ${why}.` });
});

test('one that is not there fails', async () => {
  const missing = runProgram(join(folder.path, 'none'), [], { name: 'none', failed });
  await expect(missing).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('ENOENT') });
});

test('an error of ours is thrown again', async () => {
  const error = { code: 'ERR_PRUNE', message: 'No ticket emerged.', detail: 'more' };
  const code = `console.error('log'); console.error(${JSON.stringify(JSON.stringify({ error }))}); process.exit(1)`;
  await expect(run(code)).rejects.toMatchObject(error);
});

test('SIGKILL that nobody asked for is a lack of memory', async () => {
  await expect(run('process.kill(process.pid, "SIGKILL")')).rejects.toMatchObject({
    code: 'ERR_OUT_OF_MEMORY',
    message: 'the program was killed, probably for memory; the same command tries it again.',
  });
});

test('it ends after its timeout', async () => {
  await expect(run(FOREVER, { timeout: 0.2 })).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: 'the program did not end within 0.2 s: give a longer --timeout.',
  });
});

test('aborted, it is gone before the call ends', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const gone = join(folder.path, 'gone');
  // Takes a while to stop cleanly.
  const code = `
    process.on('SIGTERM', () => setTimeout(() => {
      require('node:fs').writeFileSync(${JSON.stringify(gone)}, '');
      process.exit(130);
    }, 300));
    require('node:fs').writeFileSync(${JSON.stringify(`${gone}.ready`)}, '');
    ${FOREVER}`;
  const done = expect(run(code, { signal: abort.signal })).rejects.toBe(reason);
  while (!existsSync(`${gone}.ready`)) await new Promise((next) => setTimeout(next, 20));
  abort.abort(reason);
  await done;
  expect(existsSync(gone)).toBe(true);
});

test('a temporary folder is removed after a failure too', async () => {
  let path = '';
  const work = inTemporaryFolder(async (temporary) => {
    path = temporary;
    expect(existsSync(path)).toBe(true);
    throw new Error('no');
  });
  await expect(work).rejects.toThrow('no');
  expect(existsSync(path)).toBe(false);
});
