import { mkdirSync, writeFileSync } from 'node:fs';
import { benchLoader, type LoaderBench } from '../../src/bench/loader';
import { imagesUnder, type LoaderRecord } from '../../src/bench/loader-run';
import { loaderText } from '../../src/cli/print/loader';
import { parseRecipe } from '../../src/recipe/recipe';
import { fillTree, makeTree, type Tree } from '../support/image-tree';
import { parsedBy } from '../support/peers';

const runs: string[] = [];
/** Images per second by program and workers: ours 500 a core, Pillow 100; draft fails, and dali is not installed. */
jest.mock('../../src/engine/program', () => ({
  ...jest.requireActual('../../src/engine/program'),
  runProgram: async (_program: string, words: string[]) => {
    const of = (flag: string) => words[words.indexOf(`--${flag}`) + 1]!;
    if (words.includes('loader')) {
      const [workers, data] = [Number(of('workers')), of('data')];
      runs.push(`${data} ${workers}`);
      const perCore = { shards: 800, cache: 1200 }[data] ?? 500;
      const record: LoaderRecord = {
        workers,
        files: 6,
        imagesPerSecond: perCore * workers * 0.9 ** (workers - 1),
        perCore,
        residentMib: { first: 90, last: 91 },
        bad: 0,
        versions: {},
      };
      return JSON.stringify(record);
    }
    const [mode, processes] = [of('mode'), Number(of('processes'))];
    runs.push(`${mode} ${processes}`);
    if (mode === 'draft') throw Object.assign(new Error('no draft here'), { code: 'ERR_USAGE' });
    expect(parsedBy('python3', { peer_loader: words.slice(1) }).peer_loader).toEqual({
      folder: 'images',
      mode,
      processes,
      passes: 3,
      json: of('json'),
    });
    const figures = { images_per_s: 100 * processes, images_per_s_per_core: 100, version: '11' };
    const record = { processes, files: 6, ...(mode === 'dali' ? { absent: 'ImportError: no nvidia' } : figures) };
    writeFileSync(of('json'), JSON.stringify(record));
    return '';
  },
}));

let tree: Tree;
beforeEach(() => {
  runs.length = 0;
  tree = makeTree();
});
afterEach(() => tree.remove());

test('every program takes its turn, and ratios are those of one core', async () => {
  tree.place('peer_loader.py', '');
  const recipe = { data: 'images', packed: 'shards', cached: 'cache', peer: tree.root, workers: 2, rounds: 2 };
  const modes = ['pillow', 'draft', 'dali'];
  const result = await benchLoader(parseRecipe('benchLoader', { ...recipe, modes }));
  const round = [
    ...['images 1', 'shards 1', 'cache 1', 'pillow 1', 'draft 1', 'dali 1'],
    ...['images 2', 'shards 2', 'cache 2', 'pillow 2'],
  ];
  expect(runs).toEqual([...round, ...[...round].reverse().filter((name) => !/^(draft|dali)/.test(name))]);
  expect(result.ratios).toEqual({ pillow: 5, draft: null, dali: null });
  expect(result.packedRatios).toEqual({ pillow: 8, draft: null, dali: null });
  expect(result.cachedRatios).toEqual({ pillow: 12, draft: null, dali: null });
  expect(result.cachedOverPacked).toBe(1.5);
  expect(result.peers.pillow!.runs[0]).toMatchObject({ perCore: 100, versions: { pillow: '11' } });
  expect(result.peers.dali!.failure).toContain('dali does not load (ImportError: no nvidia)');
  expect(result.ours).toMatchObject({ scaling: 1.8, perCore: { median: 500 }, residentMib: { first: 90, last: 91 } });
  expect(result.ours.imagesPerSecond).toMatchObject({ 1: { median: 500 }, 2: { median: 900 } });
  expect(result.peers.draft).toMatchObject({ perCore: null, failure: 'no draft here' });
  const text = loaderText(result as LoaderBench);
  expect(text).toMatch(/^earlybird +500\.0 +500\.0 to 500\.0 +900\.0 +1\.80x +- +90 to 91 MiB$/m);
  expect(text).toMatch(/^pillow +100\.0 .* 5\.00x/m);
  expect(text).toMatch(/^draft +no figure: no draft here$/m);
  expect(text).toMatch(/^our shards over the peer on the files: pillow 8\.00x$/m);
  expect(text).toMatch(/^our cache over the peer on the files: pillow 12\.00x\nour cache over our shards: 1\.50x$/m);
});

test.each([
  [{ imageSize: 160 }, 'The peer makes images of 224 pixels: leave out --image-size 160'],
  [{}, 'holds shards, which the peer does not read'],
])('what the peer cannot do likewise is refused before anything runs: %j', async (more, message) => {
  tree.place('peer_loader.py', '');
  tree.place('data/train-000000.tar', '');
  const recipe = parseRecipe('benchLoader', { data: tree.at('data'), peer: tree.root, ...more });
  await expect(benchLoader(recipe)).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: expect.stringContaining(message),
  });
  expect(runs).toEqual([]);
});

test('a folder without the peer is refused', async () => {
  const recipe = parseRecipe('benchLoader', { data: 'x', peer: '/nowhere' });
  await expect(benchLoader(recipe)).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('the files are those the peer finds', async () => {
  await fillTree(tree, ['a', 'b'], 2);
  tree.place('deep/er/x.jpg', '');
  tree.place('deep/er/x.png', '');
  mkdirSync(tree.at('empty'));
  const { files, count, nameOf } = await imagesUnder(tree.root);
  expect(count).toBe(7);
  expect([files[0], nameOf(0)]).toEqual([tree.at('deep/er/x.jpg'), tree.at('deep/er/x.jpg')]);
  await expect(imagesUnder(tree.at('empty'))).rejects.toMatchObject({ code: 'ERR_DATASET' });
});
