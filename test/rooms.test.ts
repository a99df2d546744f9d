/** The ground plan as a table of allowed imports, and a check of every import of src, binding and cpp. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const root = join(__dirname, '..');

/**
 * The rooms from the top down: a room may import the rooms named beside it and nothing else, and all of them stand
 * below it. A room is a folder, or a single file at the root of src/ without its extension.
 */
const SRC: [room: string, below: string][] = [
  [
    'index',
    'tensorboard watch study cost report export train prune ticket energy run recipe network native data checkpoint atomic tensor errors',
  ],
  [
    'cli',
    'tensorboard watch study cost report export train prune bench engine ticket energy run ranks recipe network native libtorch data checkpoint measure package cores lock atomic tensor errors',
  ],
  ['tensorboard', 'watch report ticket run atomic errors'],
  ['watch', 'report train ticket energy run recipe lock errors'],
  [
    'study',
    'cost report train prune engine ticket energy run recipe network native data checkpoint measure student-t cores lock atomic tensor errors',
  ],
  [
    'cost',
    'report train prune bench engine energy run recipe network native data measure student-t lock atomic errors',
  ],
  ['report', 'train prune engine ticket energy run recipe network native data checkpoint lock atomic errors'],
  ['export', 'engine run recipe network native data checkpoint measure package atomic tensor errors'],
  ['train', 'prune engine ticket energy run recipe network native data checkpoint lock atomic tensor errors'],
  ['prune', 'engine energy run recipe network native data checkpoint measure lock atomic tensor errors'],
  ['bench', 'engine ticket run ranks recipe network native data measure package cores tensor errors'],
  ['engine', 'energy run ranks recipe native data package cores errors lock atomic'],
  ['ticket', 'run recipe native checkpoint student-t lock tensor errors'],
  ['energy', 'run native'],
  ['run', 'ranks recipe network native checkpoint lock atomic folder tensor errors'],
  ['ranks', 'native errors'],
  ['recipe', 'network native data errors'],
  ['network', 'native package tensor errors'],
  ['native', 'libtorch package cores tensor errors'],
  ['libtorch', 'download http package lock atomic errors'],
  ['data', 'checkpoint download package cores lock atomic errors'],
  ['checkpoint', 'atomic tensor errors'],
  ['download', 'http atomic folder errors'],
  ['http', 'errors'],
  ['measure', 'errors'],
  ['student-t', ''],
  ['package', ''],
  ['cores', ''],
  ['lock', 'folder errors'],
  ['atomic', 'folder errors'],
  ['folder', 'errors'],
  ['tensor', 'errors'],
  ['errors', ''],
  ['yauzl.d', ''],
];

/** binding/ and the folders of cpp/. The plugins (cuda, jpeg) take only headers of constants, layouts and arithmetic. */
const CPP: [room: string, below: string][] = [
  ['binding', 'bench dist train data/stream data/resident data prune model layer quant energy core'],
  ['cuda', 'train dist data/resident prune optim quant core'],
  ['bench', 'train data layer quant core'],
  ['prune', 'train data model layer core'],
  ['train', 'data model optim quant core'],
  ['data/stream', 'data core jpeg'],
  ['data/resident', 'data core'],
  ['data', 'core'],
  ['dist', 'core'],
  ['model', 'layer quant core'],
  ['optim', 'quant core'],
  ['layer', 'quant core'],
  ['quant', 'core'],
  ['energy', 'core'],
  ['jpeg', ''],
  ['core', ''],
];

interface Import {
  from: string;
  to: string;
}

function filesUnder(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => extension.test(file));
}

/** Static, dynamic and type imports of every TypeScript file, without extensions. */
function tsImports(): Import[] {
  return filesUnder('src', /\.ts$/).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const targets = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*'(\.[^']+)'/g)].map(
      (match) => match[1]!,
    );
    return targets.map((target) => ({
      from: file.replace(/\.ts$/, ''),
      to: normalize(join(dirname(file), target)).replace(/\.js$/, ''),
    }));
  });
}

/** Includes of our own headers: written from cpp/ on, or without a folder inside binding/. */
function cppIncludes(): Import[] {
  const files = [...filesUnder('cpp', /\.(h|cpp|c|cu|cuh|inc)$/), ...filesUnder('binding', /\.(h|cpp)$/)];
  const known = new Set(files);
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].flatMap((match) => {
      const to = [join('cpp', match[1]!), join(dirname(file), match[1]!)].find((path) => known.has(path));
      return to ? [{ from: file, to }] : [];
    });
  });
}

function srcRoom(file: string): string {
  return file.split('/')[1]!;
}

function cppRoom(file: string): string {
  const folders = dirname(file).replace(/^cpp\/?/, '');
  return CPP.some(([room]) => room === folders) ? folders : (folders.split('/')[0] ?? '');
}

function refused(imports: Import[], table: [string, string][], roomOf: (file: string) => string): string[] {
  const allowed = new Map(table.map(([room, below]) => [room, new Set(below.split(' '))]));
  return imports
    .filter(({ from, to }) => roomOf(from) !== roomOf(to) && !allowed.get(roomOf(from))?.has(roomOf(to)))
    .map(({ from, to }) => `${from} -> ${to}`);
}

/** Files on a circle of imports, each with the next one; empty where there is none. */
function circle(imports: Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, path: string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const target of next.get(file) ?? []) {
      const found = walk(target, [...path, file]);
      if (found.length > 0) return found;
    }
    done.add(file);
    return [];
  };
  for (const file of next.keys()) {
    const found = walk(file, []);
    if (found.length > 0) return found;
  }
  return [];
}

/** The rooms as docs/architecture.md shows them, without the files at the root of src/. */
function documented(table: [string, string][]): string[] {
  const rooms = new Set(
    table.map(([room]) => room).filter((room) => table !== SRC || existsSync(join(root, 'src', room))),
  );
  return table
    .filter(([room]) => rooms.has(room))
    .map(
      ([room, below]) =>
        `${room} ${
          below
            .split(' ')
            .filter((target) => rooms.has(target))
            .join(' ') || '-'
        }`,
    );
}

describe.each([
  { name: 'src', imports: tsImports(), table: SRC, roomOf: srcRoom, least: 500 },
  { name: 'binding and cpp', imports: cppIncludes(), table: CPP, roomOf: cppRoom, least: 250 },
])('rooms of $name', ({ imports, table, roomOf, least }) => {
  test('the imports were found', () => {
    expect(imports.length).toBeGreaterThan(least);
  });

  test('the table runs downwards', () => {
    const order = table.map(([room]) => room);
    const upwards = table.flatMap(([room, below], index) =>
      below
        .split(' ')
        .filter((target) => target && order.indexOf(target) <= index)
        .map((target) => `${room} -> ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  test('docs/architecture.md shows the table', () => {
    const lines = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
      .split('\n')
      .map((line) => line.replace(/ +/g, ' '));
    expect(documented(table).filter((line) => !lines.includes(line))).toEqual([]);
  });

  test('every import is in the table', () => {
    expect(refused(imports, table, roomOf)).toEqual([]);
  });

  test('no files import each other in a circle', () => {
    expect(circle(imports)).toEqual([]);
  });
});

test('an import that is not in the table is refused, and a circle found', () => {
  const imports = [
    { from: 'src/run/a', to: 'src/cli/b' },
    { from: 'src/cli/b', to: 'src/run/a' },
  ];
  expect(refused(imports, SRC, srcRoom)).toEqual(['src/run/a -> src/cli/b']);
  expect(circle(imports)).toEqual(['src/run/a', 'src/cli/b', 'src/run/a']);
});
