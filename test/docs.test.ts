/** Links in the documentation, paths that it names, and the sections of it that code cites, lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NETWORK_LIST } from '../src/network/names';

const root = join(__dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const under = (folder: string, pattern: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name) && !/(^|\/)(node_modules|\.venv)\//.test(name))
    .map((name) => join(folder, name));

const pages = [
  ...['docs', 'bench', 'scripts', 'findings'].flatMap((folder) => under(folder, /\.md$/)),
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'],
];
const code = ['src', 'binding', 'cpp', 'test', 'scripts', 'findings']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => under(folder, /\.(ts|js|cjs|mjs|h|cpp|c|cu|cuh|sh|py)$/));

/** The name GitHub gives a heading. */
function slugOf(heading: string): string {
  const text = heading.replace(/<[^>]+>|[`*]/g, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(page: string): Set<string> {
  const text = read(page);
  const ids = [...text.matchAll(/<a id="([^"]+)"/g)].map((match) => match[1]!);
  const slugs = new Map<string, number>();
  for (const [, heading] of text.matchAll(/^#+ (.*)$/gm)) {
    const slug = slugOf(heading!);
    const before = slugs.get(slug);
    slugs.set(slug, (before ?? -1) + 1);
    if (before !== undefined) slugs.set(`${slug}-${before + 1}`, 0);
  }
  return new Set([...ids, ...slugs.keys()]);
}

/** The reason why a link does not lead anywhere, or null. */
function broken(from: string, link: string): string | null {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : join(dirname(from), path);
  if (!existsSync(join(root, target))) return `${from}: ${link}, there is no ${target}`;
  if (anchor && target.endsWith('.md') && !anchorsOf(target).has(anchor)) return `${from}: ${link}, no such section`;
  return null;
}

const links = pages.flatMap((page) =>
  [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => ({ page, link })),
);

test('links between pages', () => {
  expect(links.length).toBeGreaterThan(60);
  expect(links.map(({ page, link }) => broken(page, link)).filter(Boolean)).toEqual([]);
});

test('another page leads to each', () => {
  const reached = new Set(
    links
      .map(({ page, link }) => ({ page, target: join(dirname(page), link.split('#')[0]!) }))
      .filter(({ page, target }) => target !== page)
      .map(({ target }) => target),
  );
  expect(pages.filter((page) => page !== 'README.md' && !reached.has(page))).toEqual([]);
});

/** Paths from the root of the repository, up to the first part that is a pattern, a placeholder, or hidden (made, not kept). */
function pathsIn(text: string): string[] {
  const folders = 'src|cpp|binding|test|scripts|docs|bench|networks|examples|findings|cmake';
  const path = new RegExp(`(?<![\\w./@-])(?:${folders})\\/(?:\\w[\\w.-]*\\/)*(?:\\w[\\w.-]*(?![\\w.*{<-]))?`, 'g');
  return [...text.matchAll(path)].map(([found]) => found.replace(/[./]+$/, ''));
}

/** Whether it is there. A name without its ending stands for all files of that name. */
function isThere(path: string): boolean {
  const folder = join(root, dirname(path));
  return (
    existsSync(join(root, path)) ||
    (existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(`${basename(path)}.`)))
  );
}

test('paths that pages name', () => {
  const named = pages.flatMap((page) => pathsIn(read(page)).map((path) => ({ page, path })));
  expect(named.length).toBeGreaterThan(200);
  const missing = named.filter(({ path }) => !isThere(path));
  expect(missing.map(({ page, path }) => `${page}: there is no ${path}`)).toEqual([]);
});

test('files that comments name', () => {
  const path = /\b((?:src|binding|cpp|test|scripts)\/[\w./-]+\.(?:ts|h|cpp|cuh?|mjs|py|sh))\b/g;
  const ours = code.filter((file) => !file.startsWith('test/'));
  const named = ours.flatMap((file) => [...read(file).matchAll(path)].map((match) => ({ file, path: match[1]! })));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(({ path }) => !isThere(path))).toEqual([]);
});

test('the page of the architecture has all files at the root of src/ and all folders of test/', () => {
  const page = read('docs/architecture.md');
  const names = (folder: string, isFolder: boolean) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() === isFolder && !entry.name.endsWith('.d.ts'))
      .map(({ name }) => name.replace(/\.ts$/, ''));
  const row = page.match(/^\| the root \| (.*)$/m)![1]!;
  expect(names('src', false).filter((name) => !new RegExp(`\\b${name}\\b`).test(row))).toEqual([]);
  const rooms = names('src', true);
  const missing = names('test', true).filter((name) => !rooms.includes(name) && !page.includes(`\`${name}/\``));
  expect(missing).toEqual([]);
});

test('the list of findings has each script', () => {
  const list = read('findings/README.md');
  const scripts = readdirSync(join(root, 'findings')).filter((name) => name !== 'README.md');
  expect(scripts.filter((name) => !list.includes(`](${name})`))).toEqual([]);
});

test('README has all networks', () => {
  const named = NETWORK_LIST.split(', ').map((entry) => entry.split(' ')[0]!);
  expect(named.filter((name) => !read('README.md').includes(`\`${name}\``))).toEqual([]);
});

test('sections that code cites', () => {
  const cited = code.flatMap((file) =>
    [...read(file).matchAll(/\bdocs\/[\w./-]+\.md(?:#[\w.-]*\w)?/g)].map((match) => ({ file, link: match[0] })),
  );
  expect(cited.length).toBeGreaterThan(20);
  expect(cited.map(({ file, link }) => broken('README.md', link) && `${file}: ${link}`).filter(Boolean)).toEqual([]);
});
