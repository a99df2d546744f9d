/** Links in the documentation, paths that it names, and the sections of it that code cites, lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const root = join(__dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const under = (folder: string, pattern: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name) && !/(^|\/)(node_modules|\.venv)\//.test(name))
    .map((name) => join(folder, name));

const pages = [
  ...['docs', 'bench', 'scripts'].flatMap((folder) => under(folder, /\.md$/)),
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

// In pages: whatever looks like a path of ours, without its ending where header and source are meant. In code: with an ending.
test.each([
  ['pages', pages.filter((page) => page !== 'CHANGELOG.md'), /`((?:src|binding|cpp|test|scripts)\/[\w./-]+)`/g],
  [
    'comments',
    code.filter((file) => !file.startsWith('test/')),
    /\b((?:src|binding|cpp|test|scripts)\/[\w./-]+\.(?:ts|h|cpp|cuh?|mjs|py|sh))\b/g,
  ],
])('files that %s name are there', (_what, files, pattern) => {
  const named = files.flatMap((file) => [...read(file).matchAll(pattern)].map((match) => ({ file, path: match[1]! })));
  const isThere = (path: string) => existsSync(join(root, path)) || existsSync(join(root, `${path}.h`));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(({ path }) => !isThere(path))).toEqual([]);
});

test('sections that code cites', () => {
  const cited = code.flatMap((file) =>
    [...read(file).matchAll(/\bdocs\/[\w./-]+\.md(?:#[\w.-]*\w)?/g)].map((match) => ({ file, link: match[0] })),
  );
  expect(cited.length).toBeGreaterThan(20);
  expect(cited.map(({ file, link }) => broken('README.md', link) && `${file}: ${link}`).filter(Boolean)).toEqual([]);
});
