/** `launch` with a program that is no training: what it says of a rank that fails. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../../src/ranks/launch';

const logs = mkdtempSync(join(tmpdir(), 'earlybird-launch-'));
const logOf = (rank: number) => join(logs, `rank-${rank}.log`);
let said = '';
beforeEach(() => {
  said = '';
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => jest.restoreAllMocks());
afterAll(() => rmSync(logs, { recursive: true, force: true }));

/** Two ranks: the one that is named does this, the other nothing. */
const run = (rank: number, does: string) =>
  launch({ nproc: 2, command: [process.execPath, '-e', `if (process.env.RANK === '${rank}') { ${does} }`], logs });

test('the end of another rank than rank 0 is told with its last lines and its file', async () => {
  expect(await run(1, "for (let i = 0; i < 30; i++) console.error('line ' + i); process.exitCode = 3;")).toBe(3);
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i + 10}`).join('\n');
  expect(said).toBe(`rank 1 ended with code 3; its output is in ${logOf(1)}:\n${lines}\n`);
  expect(readFileSync(logOf(1), 'utf8')).toContain('line 0\n');
});

test('a rank that is killed is told, be it rank 0', async () => {
  expect(await run(0, "process.kill(process.pid, 'SIGKILL');")).toBe(137);
  expect(said).toBe(`rank 0 was ended by SIGKILL; its output is in ${logOf(0)}:\n`);
});

test('a log goes on behind that of the run before', async () => {
  const before = readFileSync(logOf(1), 'utf8');
  await run(1, "console.log('again');");
  expect(readFileSync(logOf(1), 'utf8')).toBe(`${before}again\n`);
});

test('what rank 0 says of its own end is not told again', async () => {
  expect(await run(0, "console.error('no such file'); process.exitCode = 2;")).toBe(2);
  expect(said).toBe('no such file\n');
});
