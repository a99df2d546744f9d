/** The choice of a benchmark's peer, and that the peers of this repository take the words they get. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { computingFlags, runPeer, settlePeer } from '../../src/bench/peer';
import { LOADER_MODES } from '../../src/recipe/benchmarks';
import { parseRecipe } from '../../src/recipe/recipe';
import { makeTree, type Tree } from '../support/image-tree';
import { PEERS, parsedBy, pythonWithTorch } from '../support/peers';

jest.mock('../../src/package', () => ({ ...jest.requireActual('../../src/package') }));

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
  jest.requireMock('../../src/package').packageRoot = tree.root;
});
afterEach(() => tree.remove());

describe('which peer', () => {
  const lines: string[] = [];
  const settle = (recipe: { peer?: string; python?: string }) =>
    settlePeer(recipe, 'peer_ops.py', (line) => lines.push(line));
  beforeEach(() => {
    lines.length = 0;
    tree.place('bench/peer/peer_ops.py', '');
  });

  test('that of the package once it has its environment; until then none, and a line says how to make it', () => {
    expect(settle({})).toEqual({});
    expect(lines).toEqual([expect.stringContaining('npm run bench:peers makes one')]);
    const own = { peer: tree.at('bench/peer'), python: tree.at('bench/peer/.venv/bin/python3') };
    expect(settle({ python: 'pypy' })).toEqual({ ...own, python: 'pypy' });
    tree.place('bench/peer/.venv/bin/python3', '');
    expect(settle({})).toEqual(own);
    expect(settle({ python: 'pypy' })).toEqual({ ...own, python: 'pypy' });
    expect(settle({ peer: 'none' })).toEqual({ peer: undefined });
    expect(lines).toHaveLength(1);
  });

  test('that of a folder, which has to hold it', () => {
    tree.place('mine/peer_ops.py', '');
    expect(settle({ peer: tree.at('mine') })).toEqual({ peer: tree.at('mine'), python: undefined });
    expect(() => settle({ peer: tree.at('bench') })).toThrow('bench holds no peer_ops.py');
  });
});

test('in a CPU quota the peer gets as many threads as this program takes', () => {
  const recipe = parseRecipe('benchStep', { device: 'cpu' });
  const { OMP_NUM_THREADS: given } = process.env;
  delete process.env.OMP_NUM_THREADS;
  try {
    expect(computingFlags(recipe, { allowed: 64, quota: 2.5, usable: 2 }).threads).toBe(2);
    expect(computingFlags({ ...recipe, threads: 3 }, { allowed: 64, quota: 2.5, usable: 2 }).threads).toBe(3);
    expect(computingFlags(recipe, { allowed: 64, quota: null, usable: 64 }).threads).toBeUndefined();
    process.env.OMP_NUM_THREADS = '5';
    expect(computingFlags(recipe, { allowed: 64, quota: 2.5, usable: 2 }).threads).toBeUndefined();
  } finally {
    if (given === undefined) delete process.env.OMP_NUM_THREADS;
    else process.env.OMP_NUM_THREADS = given;
  }
});

test('a record of peer_train is read, and its words are those it takes', async () => {
  const python = tree.at('python');
  const record = { dtype: 'fp32', torch: '2', threads: 3, images_per_s_wall: 50, batch: 5, peak_mib: { resident: 7 } };
  const script = `#!/usr/bin/env node
const fs = require('node:fs'), words = process.argv.slice(2);
fs.writeFileSync(${JSON.stringify(tree.at('words'))}, JSON.stringify(words));
fs.writeFileSync(words[words.indexOf('--json') + 1], ${JSON.stringify(JSON.stringify(record))});
`;
  writeFileSync(python, script, { mode: 0o755 });
  const wanted = { batchSize: 5, steps: 2, warmup: 1, threads: 3, device: 'cpu', precision: 'fp32', model: 'resnet18' };
  const recipe = parseRecipe('benchStep', { ...wanted, peer: PEERS, python });
  expect(await runPeer(recipe, 'tuned', {}, 'cfg.json')).toEqual({
    system: 'tuned',
    dtype: 'fp32',
    imagesPerSecond: 50,
    stepMs: 100,
    residentMib: 7,
    versions: { torch: '2', device: 'unknown', threads: 3 },
  });
  const [program, ...words] = JSON.parse(readFileSync(tree.at('words'), 'utf8'));
  expect(program).toBe(join(PEERS, 'peer_train.py'));
  const torch = pythonWithTorch();
  if (torch === null) return;
  const device = ['--device', 'cpu'];
  expect(parsedBy(torch, { peer_train: words, peer_quant: device, peer_ops: device })).toMatchObject({
    peer_train: {
      ...{ model: 'resnet18', mode: 'tuned', device: 'cpu', batch: 5, steps: 2, warmup: 1, dtype: 'fp32', threads: 3 },
      ...{ cfg: 'cfg.json', compile_mode: 'default', dataset: ['synthetic'] },
    },
    peer_quant: { device: 'cpu' },
    peer_ops: { device: 'cpu' },
  });
}, 300_000);

test('peer_loader has the modes of bench loader', () => {
  const parsed = (mode: string) => parsedBy('python3', { peer_loader: ['folder', '--mode', mode] }).peer_loader;
  for (const mode of LOADER_MODES) expect(parsed(mode)).toMatchObject({ folder: 'folder', mode });
  expect(() => parsed('guess')).toThrow('invalid choice');
});

test('the peers compute with the LibTorch of this release', () => {
  const pinned = JSON.parse(readFileSync(join(PEERS, '../../scripts/libtorch.json'), 'utf8'));
  const torch = (file: string) => /^torch==(.*)$/m.exec(readFileSync(join(PEERS, file), 'utf8'))?.[1];
  expect({ cpu: torch('requirements-cpu.txt'), cuda: torch('requirements.txt') }).toEqual(pinned);
});
