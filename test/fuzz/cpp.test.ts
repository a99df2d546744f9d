/** The parsers of C++ under libFuzzer, for some seconds each: no input ends the program, takes 2 s, or more memory than an image may. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const seconds = Number(process.env.EARLYBIRD_FUZZ_SECONDS ?? 10);
const corpus = join(__dirname, 'corpus');
const targets = readdirSync(join(__dirname, 'cpp')).flatMap((name) => /^(.*)\.cpp$/.exec(name)?.[1] ?? []);

const node = (...args: string[]) => spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
const script = (text: string, ...args: string[]) => node('--input-type=module', '-e', text, ...args);
const here = (name: string) => JSON.stringify(join(__dirname, name));

const [clang, why] = script(
  `import { findClang } from ${here('build.mjs')}; const { clang = '', why = '' } = findClang(); console.log(clang + '\\n' + why);`,
).stdout.split('\n');
if (!clang) console.warn(`C++ is not fuzzed: ${why}`);
const fuzzes = clang ? test : test.skip;

test('every target has a corpus, and all of them are small', () => {
  const bytes = targets.map((name) => {
    const files = readdirSync(join(corpus, name));
    expect([name, files.length > 0]).toEqual([name, true]);
    return files.reduce((sum, file) => sum + statSync(join(corpus, name, file)).size, 0);
  });
  expect(bytes.reduce((a, b) => a + b)).toBeLessThan(1 << 20);
});

let report: { status: number | null; stdout: string; stderr: string };
beforeAll(
  () => {
    const chosen = targets.flatMap((name) => ['--target', name]);
    if (clang) report = node(join(__dirname, 'run.mjs'), '--seconds', String(seconds), ...chosen);
  },
  1_200_000 + targets.length * seconds * 1000,
);

fuzzes.each(targets)('%s holds', (name) => {
  const line = new RegExp(`^${name}: (\\d+) executions, \\d+ new corpus entries, 0 failures$`, 'm');
  const executions = line.exec(report.stdout)?.[1];
  if (executions === undefined) throw new Error(report.stdout + report.stderr);
  expect(Number(executions)).toBeGreaterThan(readdirSync(join(corpus, name)).length);
});

fuzzes(
  'a fault is found, and its input kept',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'earlybird-fuzz-'));
    const source = join(folder, 'planted.cpp');
    writeFileSync(
      source,
      `#include <cstdint>
    #include <cstddef>
    extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
      return size > 1 && data[0] == 'E' && data[1] == 'B' && data[size] == 0 ? 0 : 0;
    }`,
    );
    const program = join(folder, 'planted');
    const built = spawnSync(clang!, ['-O0', '-fsanitize=address,fuzzer', source, '-o', program], { encoding: 'utf8' });
    expect([built.status, built.stderr]).toEqual([0, '']);
    const run = `import { fuzz } from ${here('run.mjs')};
    const { status, failure } = await fuzz('planted', process.argv[1], { seconds: 60, seed: 1 });
    console.log(JSON.stringify({ status, failure }));`;
    const { status, failure } = JSON.parse(script(run, program).stdout) as { status: number; failure: string };
    expect(status).not.toBe(0);
    expect(existsSync(failure)).toBe(true);
    rmSync(failure);
    rmSync(folder, { recursive: true });
  },
  300_000,
);
