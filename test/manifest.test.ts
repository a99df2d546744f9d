/** package.json, its lock file and the documents, as npm and cmake-js read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..');
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const manifest = JSON.parse(read('package.json')) as { private?: boolean; binary: { napi_versions: number[] } };

test('cmake-js is told the version of Node-API that the sources ask for', () => {
  for (const file of ['napi_setup.h', 'loader.c']) {
    const version = /^#define NAPI_VERSION (\d+)$/m.exec(read('binding', file))?.[1];
    expect([file, manifest.binary.napi_versions]).toEqual([file, [Number(version)]]);
  }
});

test('packages come from the registry of whoever installs', () => {
  expect(read('package-lock.json')).not.toContain('"resolved"');
});

// Another program has the name in the registry.
test('nothing publishes or installs the package by its name', () => {
  expect(manifest.private).toBe(true);
  const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  const texts = ['README.md', 'CONTRIBUTING.md', ...pages.map((name) => join('docs', name))];
  expect(texts.length).toBeGreaterThan(10);
  expect(
    texts.filter((name) =>
      /npm (install|i|add) (-g )?earlybird(?![-./\w])|npx (-y |--yes )?earlybird/.test(read(name)),
    ),
  ).toEqual([]);
});
