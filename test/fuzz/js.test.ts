/** Each fuzz target for a few inputs: `npm run fuzz` runs them for as long as it is told to. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TARGETS = join(__dirname, 'js');
const names = readdirSync(TARGETS).flatMap((file) => /^(.+)\.fuzz\.mjs$/.exec(file)?.[1] ?? []);

function run(file: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, '--seed', '1', ...args], { encoding: 'utf8' });
  return { status, stderr, report: JSON.parse(stdout.trim().split('\n').at(-1)!) };
}

test.each(names)('%s: each damaged file gives a sound value or a typed error, in time and in memory', (name) => {
  const { status, report, stderr } = run(join(TARGETS, `${name}.fuzz.mjs`), '--runs', '1024');
  expect(stderr).toBe('');
  expect(report).toMatchObject({ target: name, failures: 0 });
  expect(report.executions).toBeGreaterThanOrEqual(1024);
  // Damage that does not matter is read: both outcomes must occur.
  expect(report.refused).toBeGreaterThan(0);
  expect(report.refused).toBeLessThan(report.executions);
  expect(status).toBe(0);
});

test.each([
  ['an error of another kind', "if (bytes[1] !== 0x21) throw new TypeError('of undefined')", /TypeError: of undefined/],
  [
    'an error without the file',
    "throw Object.assign(new Error('no'), { code: 'ERR_CHECKPOINT' })",
    /does not name the file: no/,
  ],
  ['too much memory', 'globalThis.kept = new Uint8Array(64 << 20)', /more memory than twice the file/],
  [
    'an error that nothing waits for',
    "queueMicrotask(() => { throw new Error('late'); })",
    /the worker ended: Error: late/,
  ],
])('a parser with a fault is found, and its input kept: %s', (_, fault, why) => {
  const folder = mkdtempSync(join(tmpdir(), 'earlybird-fuzz-'));
  const target = join(folder, 'faulty.fuzz.mjs');
  writeFileSync(
    target,
    `const { fuzz } = await import(${JSON.stringify(join(TARGETS, 'loop.mjs'))});
    await fuzz('faulty', () => ({ seeds: [Buffer.from('a!bcdefgh')], parse: (bytes) => { ${fault}; } }));`,
  );
  const { status, report, stderr } = run(target, '--runs', '200', '--corpus', join(folder, 'corpus'));
  expect(stderr).toMatch(why);
  expect(report.failures).toBe(1);
  expect(status).toBe(1);
  const [kept] = readdirSync(join(folder, 'corpus-failures'));
  expect(readFileSync(join(folder, 'corpus-failures', kept!)).length).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
});
