/** The tests of cpp/ that need no Node: test/cpp, a program of its own, which is built here. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { findLibTorch } from '../../src/libtorch/find';
import { addonPath } from '../../src/native/addon';

const folder = dirname(dirname(addonPath(findLibTorch())));
const program = join(folder, 'earlybird_tests');

function run(command: string, ...args: string[]): { status: number | null; stdout: string } {
  return spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
}

const build = run('cmake', '--build', folder, '--target', 'earlybird_tests');
if (build.status !== 0) throw new Error(`test/cpp does not compile:\n${build.stdout}`);

// The program ends a test with "ok" or "FAILED", the number of its checks, and its name; failed checks come before that line.
const names = run(program, '--list').stdout.split('\n').filter(Boolean);
const reports = new Map<string, string>();

beforeAll(() => {
  let lines: string[] = [];
  for (const line of run(program).stdout.split('\n')) {
    lines.push(line);
    const name = /^(?:ok|FAILED) \d+ (.*)$/.exec(line)?.[1];
    if (name === undefined) continue;
    reports.set(name, lines.join('\n'));
    lines = [];
  }
}, 1_200_000);

test('the program has tests', () => {
  expect(names.length).toBeGreaterThan(0);
});

for (const name of names) test(name, () => expect(reports.get(name)).toMatch(/^ok \d+ /));
