/** The package as a user gets it: the packed tarball, by import and require, with types; and the examples. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'earlybird-package-'));
const installed = join(folder, 'node_modules', 'earlybird-tickets');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
}

/** All files of the package: kinds of files by the folder in which they lie. */
const CONTENTS: Record<string, RegExp> = {
  '': /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CITATION\.cff|SECURITY\.md|CMakeLists\.txt)$/,
  dist: /\.(js|d\.ts)$/,
  'bench/peer': /\.(py|txt|md)$/,
  binding: /\.(c|cpp|h)$/,
  cpp: /(\.(c|cpp|cu|cuh|h|inc)|CMakeLists\.txt)$/,
  cmake: /\.cmake$/,
  networks: /\.json$/,
  scripts: /\.(mjs|sh|py|sbatch|json|md)$/,
  prebuilds: /(^README\.md|\/(earlybird\.glibc\.node|earlybird_\w+\.so|manifest\.json|libjpeg[\w.-]*|LICENSE[\w.-]*))$/,
  docs: /\.(md|svg|png|csv|json|jsonl|mjs)$/,
  examples: /\.mjs$/,
};

test('what is packed is what belongs there: files of this list, kept in git or compiled from what is', () => {
  const options = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [{ files }] = JSON.parse(execFileSync('npm', options, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }));
  const paths = (files as { path: string }[]).map(({ path }) => path);
  const folderOf = (path: string) => Object.keys(CONTENTS).find((name) => name && path.startsWith(`${name}/`)) ?? '';
  const strange = paths.filter((path) => {
    const folder = folderOf(path);
    return !CONTENTS[folder]!.test(folder ? path.slice(folder.length + 1) : path);
  });
  expect(strange).toEqual([]);
  expect(Object.keys(CONTENTS).filter((name) => name && !paths.some((path) => folderOf(path) === name))).toEqual([]);
  expect(paths.filter((path) => /(^|\/)\./.test(path))).toEqual([]);

  // A clone without git, as CI may have, has no list to compare with.
  const kept = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' });
  const tracked = new Set((kept.stdout ?? '').split('\n'));
  const source = (path: string) => path.replace(/^dist\/(.*?)(\.d\.ts|\.js)$/, 'src/$1.ts');
  const made = (path: string) => /^prebuilds\/./.test(path);
  if (kept.status === 0) expect(paths.filter((path) => !made(path) && !tracked.has(source(path)))).toEqual([]);
});

describe('the packed tarball', () => {
  beforeAll(() => {
    // dist/ is there: the setup that runs before the tests has compiled it.
    const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder];
    const tarball = execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }).trim();
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']);
    for (const name of readdirSync(join(root, 'node_modules'))) {
      if (!name.startsWith('.')) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    }
  });

  test('gives the same names to import and require', () => {
    const names =
      "console.log(JSON.stringify(Object.keys(api).filter((name) => !name.startsWith('__') && name !== 'default' && name !== 'module.exports').sort()))";
    writeFileSync(join(folder, 'names.mjs'), `import * as api from 'earlybird-tickets'; ${names}`);
    writeFileSync(join(folder, 'names.cjs'), `const api = require('earlybird-tickets'); ${names}`);
    const imported = JSON.parse(node('names.mjs')) as string[];
    expect(imported).toEqual(JSON.parse(node('names.cjs')));
    expect(imported).toEqual(
      expect.arrayContaining(['search', 'prune', 'retrain', 'ebTrain', 'EarlyBird', 'loadAddon']),
    );
  });

  test('has its benchmarks under earlybird-tickets/bench', () => {
    writeFileSync(
      join(folder, 'bench.mjs'),
      "import { benchKernels } from 'earlybird-tickets/bench'; console.log(typeof benchKernels)",
    );
    expect(node('bench.mjs').trim()).toBe('function');
  });

  test('brings its types', () => {
    const text = `import { maskDistance, parseRecipe, prune, retrain, search } from 'earlybird-tickets';
      const distance: number = maskDistance(new Uint8Array(1), new Uint8Array(1), 8);
      const { percent }: { percent: number } = parseRecipe('prune', { model: 'a.pth.tar' });
      // @ts-expect-error: the distance is a number
      const wrong: string = distance;
      // @ts-expect-error: what stages share is no option
      search(parseRecipe('search', {}), { session: null });
      // @ts-expect-error: what stages share is no option
      retrain(parseRecipe('retrain', {}), { session: null });
      // @ts-expect-error: what stages share is no option
      prune(parseRecipe('prune', {}), { energy: null });
      console.log(percent, wrong);`;
    for (const name of ['types.mts', 'types.cts']) writeFileSync(join(folder, name), text);
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'node16',
      '--target',
      'es2023',
      '--types',
      'node',
    ];
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'types.mts', 'types.cts'],
      { cwd: folder, encoding: 'utf8' },
    );
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });

  test('starts its command without LibTorch', () => {
    expect(node(join(installed, 'dist/cli/main.js'), '--version').trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('examples', () => {
  const example = (name: string, ...args: string[]) => node(join(root, 'examples', name), ...args);

  test('early-bird finds a ticket and trains it', () => {
    const lines = example('early-bird.mjs').trim().split('\n');
    const [, epochs, kept, total] = /^ticket after (\d+) epochs: (\d+) of (\d+) channels/m.exec(lines.join('\n'))!;
    expect(Number(epochs)).toBeLessThan(12);
    // A channel stays where its gamma is above that of index floor(p N): one less than half.
    expect(Number(kept)).toBe(Number(total) / 2 - 1);
    expect(lines.at(-1)).toMatch(/^epoch 12: loss [\d.]+, top-1 [\d.]+ %$/);
  });

  test('prune-a-checkpoint writes a ticket, and says what is wrong with a file', () => {
    const file = join(root, 'test/fixtures/reference/checkpoints/pruned_vgg_small.pth.tar');
    const text = example('prune-a-checkpoint.mjs', file, '0.3', folder, 'vgg', '16');
    expect(text).toContain(`written to ${join(folder, 'pruned.pth.tar')}`);
    const missing = spawnSync(process.execPath, [
      join(root, 'examples/prune-a-checkpoint.mjs'),
      'none.pth',
      '0.3',
      folder,
    ]);
    expect(missing.stderr.toString()).toContain('[ERR_FILE]');
    expect(missing.status).toBe(1);
  });
});
