/** package.json, its lock file and the documents, as npm and cmake-js read them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, programCommand } from '../src/package';

const root = join(__dirname, '..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  name: string;
  version: string;
  bin: Record<string, string>;
  private?: boolean;
  binary: { napi_versions: number[] };
};

test('cmake-js is told the version of Node-API that the sources ask for', () => {
  for (const file of ['napi_setup.h', 'loader.c']) {
    const version = /^#define NAPI_VERSION (\d+)$/m.exec(read('binding', file))?.[1];
    expect([file, manifest.binary.napi_versions]).toEqual([file, [Number(version)]]);
  }
});

test('a compiled command can be started', () => {
  expect(statSync(join(root, manifest.bin.earlybird!)).mode & 0o111).toBe(0o111);
});

test('CITATION.cff has the version of the package', () => {
  expect(/^version: (.*)$/m.exec(read('CITATION.cff'))?.[1]).toBe(manifest.version);
});

test('packages come from the registry of whoever installs', () => {
  expect(read('package-lock.json')).not.toContain('"resolved"');
});

test('a remedy names the command as it was started', () => {
  expect(programCommand('doctor', '/usr/local/bin/earlybird')).toBe('earlybird doctor');
  expect(programCommand('doctor', '/clone/dist/cli/main.js')).toBe('earlybird doctor');
  expect(programCommand('doctor', '/project/node_modules/.bin/earlybird')).toBe('npx --no-install earlybird doctor');
});

test.each([
  [{ EARLYBIRD_CACHE: '/own', XDG_CACHE_HOME: '/xdg' }, '/own'],
  [{ EARLYBIRD_CACHE: '', XDG_CACHE_HOME: '/xdg' }, '/xdg/earlybird'],
  [{}, join(homedir(), '.cache', 'earlybird')],
])('with %j the cache is %s', (env, folder) => {
  expect(cacheFolder(env)).toBe(folder);
});

test('a bundle has every folder of the package that a run may need', () => {
  const { files } = JSON.parse(read('package.json')) as { files: string[] };
  const folders = files.map((name) => name.split('/')[0]!).filter((name) => /^[a-z]+$/.test(name));
  const forReaders = ['docs', 'examples'];
  // install.sh builds the addon there.
  const needed = folders.filter((name) => ![...forReaders, 'prebuilds'].includes(name));
  const bundled = /^const FOLDERS = \[(.*)\];$/m.exec(read('scripts', 'bundle.mjs'))![1]!;
  expect(bundled.split(', ').sort()).toEqual([...new Set(needed)].map((name) => `'${name}'`).sort());
});

test('each promise of SECURITY.md names a test that is there', () => {
  const rows = [...read('SECURITY.md').matchAll(/\| `(test\/[^`]+)`: "([^"]+)" \|$/gm)];
  expect(rows).toHaveLength(read('SECURITY.md').match(/^\| (?!promise)/gm)!.length);
  expect(rows.length).toBeGreaterThan(10);
  expect(rows.filter(([, file, name]) => !read(file!).includes(name!)).map(([row]) => row)).toEqual([]);
});

test('installing the package runs no script', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^(pre|post)?prepare$/.test(name))).toEqual([]);
});

// Another program has the name `earlybird` in the registry.
describe('the name of the package', () => {
  const pages = ['docs', 'examples', 'prebuilds', 'bench/peer'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  const texts = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pages.filter((name) => /\.(md|mjs)$/.test(name))];

  test('is free, and nothing is published before somebody decides so', () => {
    const { name, bin, private: kept } = manifest;
    expect({ name, bin, kept }).toEqual({
      name: 'earlybird-tickets',
      bin: { earlybird: 'dist/cli/main.js' },
      kept: true,
    });
    const lock = JSON.parse(read('package-lock.json')) as { name: string; packages: Record<string, { name?: string }> };
    expect([lock.name, lock.packages['']!.name]).toEqual([name, name]);
  });

  test.each([
    ['installs the other program', /npm (install|i|add) (-g )?earlybird(?!-tickets[-@.\w])/],
    ['lets npx install it', /npx (-y |--yes )?earlybird/],
    ['imports by its name', /(from|require\(|import\()\s*['"]earlybird(\/[a-z]+)?['"]/],
  ])('no document %s', (_what, pattern) => {
    expect(texts.length).toBeGreaterThan(10);
    expect(texts.filter((name) => pattern.test(read(name)))).toEqual([]);
  });
});
