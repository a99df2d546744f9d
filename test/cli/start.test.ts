/** The files that a start loads. Files are counted, not seconds: a machine that is busy makes every start slow. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS, COMPLETION, frontText } from '../../src/cli/front';
import { main, root, start } from './run-cli';
import { temporaryFolder } from './tiny';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
let count = 0;

/** Files of the program and its packages that a process runs, by V8's own account; modules of both kinds. */
async function loadedBy(...words: string[]): Promise<string[]> {
  const folder = join(temporary.path, String(count++));
  mkdirSync(folder);
  const { status, stderr } = await start(process.execPath, words, { env: { NODE_V8_COVERAGE: folder } }).done;
  expect([status, stderr]).toEqual([0, '']);
  const scripts = readdirSync(folder).flatMap(
    (file) => (JSON.parse(readFileSync(join(folder, file), 'utf8')) as { result: { url: string }[] }).result,
  );
  const files = scripts.flatMap(({ url }) => (url.startsWith('file:') ? relative(root, fileURLToPath(url)) : []));
  return [...new Set(files)].sort();
}

const packagesOf = (files: readonly string[]) => [
  ...new Set(files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [])),
];

test.each(['--help', '--version'])('%s loads a few files, and no package', async (flag) => {
  const files = await loadedBy(main, flag);
  expect(packagesOf(files)).toEqual([]);
  expect(files.length).toBeLessThanOrEqual(9);
  expect(files).toContain(relative(root, main));
});

test('the addon needs no package but the one that finds it', async () => {
  const files = await loadedBy('-e', `require(${JSON.stringify(join(dirname(main), '..', 'native', 'addon.js'))})`);
  expect(packagesOf(files)).toEqual(['node-gyp-build']);
  expect(files.length).toBeLessThanOrEqual(18);
});

test('what is counted is there: the help of a command loads its options', async () => {
  const packages = packagesOf(await loadedBy(main, 'train', '--help'));
  expect(packages).toEqual(expect.arrayContaining(['yargs', 'zod']));
  expect(packages).not.toEqual(expect.arrayContaining(['sharp']));
}, 60_000);

test('the text: all commands, in lines that fit', () => {
  for (const width of [60, 120]) {
    const text = frontText(['--help'], width)!;
    for (const [name] of [...COMMANDS, COMPLETION]) expect(text).toMatch(new RegExp(`^ {2}earlybird ${name} `, 'm'));
    const [about, ...tables] = text.split('Commands:');
    expect(about).toContain('earlybird <command> [options]');
    for (const line of tables.join('').split('\n')) expect(line.length).toBeLessThanOrEqual(width);
  }
  for (const argv of [['train', '--help'], ['--help', '--json'], ['--json'], []])
    expect(frontText(argv, 80)).toBeNull();
});
