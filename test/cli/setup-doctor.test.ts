import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check } from '../../src/cli/print/doctor';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-doctor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function earlybird(args: string[], env: NodeJS.ProcessEnv = {}) {
  const main = join(__dirname, '..', '..', 'dist', 'cli', 'main.js');
  const config = join(folder, 'config.json');
  return spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { PATH: folder, EARLYBIRD_CONFIG: config, ...env },
  });
}

function fakeLibTorch(version: string): string {
  mkdirSync(join(folder, 'torch/lib'), { recursive: true });
  writeFileSync(join(folder, 'torch/lib/libtorch_cpu.so'), 'no library');
  writeFileSync(join(folder, 'torch/version.py'), `__version__ = '${version}+cpu'\n`);
  return join(folder, 'torch');
}

test.each<[string, () => string, string, RegExp]>([
  ['a LIBTORCH that is none', () => '/nowhere', 'libtorch', /LIBTORCH names \/nowhere/],
  [
    'a LibTorch that is too old',
    () => fakeLibTorch('2.9.1'),
    'libtorch',
    /2\.9\.1 .* not supported: earlybird is made for 2\.11 to/,
  ],
  [
    'a LibTorch without an addon',
    () => fakeLibTorch('2.11.9'),
    'addon',
    /has not been built for LibTorch 2\.11\.9 \(torch2\.11-cpu/,
  ],
])('doctor names the fault and the remedy: %s', (_, libtorch, name, text) => {
  const { status, stdout } = earlybird(['doctor', '--json'], { LIBTORCH: libtorch() });
  const checks = JSON.parse(stdout) as Check[];
  expect(checks.at(-1)).toMatchObject({
    name,
    status: 'fault',
    text: expect.stringMatching(text),
    remedy: expect.any(String),
  });
  expect(checks.slice(0, -1).filter((check) => check.status === 'fault')).toEqual([]);
  expect(status).toBe(1);
});

test('libtorch use remembers a LibTorch, where shows it, --none forgets it', () => {
  const torch = fakeLibTorch('2.13.0');
  expect(earlybird(['libtorch', 'use', folder]).stdout).toContain(`LibTorch 2.13.0 (cpu): ${torch}`);
  expect(earlybird(['libtorch', 'where']).stdout).toBe(`LibTorch 2.13.0 (cpu), by config: ${torch}\n`);
  expect(earlybird(['libtorch', 'use', join(folder, 'none')])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is not a LibTorch'),
  });
  expect(earlybird(['libtorch', 'use', '--none']).stdout).toMatch(/config\.json no longer names a LibTorch\n$/);
  expect(earlybird(['libtorch']).stdout).not.toContain(torch);
});

test('fetch takes its options for pip or those for an archive, not both', () => {
  const { status, stderr } = earlybird(['libtorch', 'fetch', '--from', 'x.zip', '--index-url', 'file:///index']);
  expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('--index-url are for pip') });
});
