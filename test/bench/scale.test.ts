/** `bench scale` beside a peer that is a script of the test: what becomes of the ranks of a turn. */
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { benchScale } from '../../src/bench/scale';
import { parseRecipe } from '../../src/recipe/recipe';
import { makeTree, type Tree } from '../support/image-tree';

jest.mock('../../src/engine/apart', () => ({
  runApart: async () => ({ ranks: 2, imagesPerSecond: 10, waitedMs: null, bytes: null }),
}));
jest.mock('../../src/engine/device', () => ({
  ...jest.requireActual('../../src/engine/device'),
  openEngine: () => ({ addon: { runtime: () => ({ threads: 4 }) } }),
}));
jest.mock('../../src/engine/machine', () => ({ describeMachine: async () => ({ fingerprint: 'one' }) }));

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

/** `peer`: the body of the script; `words` are its own, without the name of the program. */
function bench(peer: string, signal?: AbortSignal) {
  tree.place('peer_ddp.py', '');
  const script = `const fs = require('node:fs'), words = process.argv.slice(3), { RANK } = process.env;
const file = ${JSON.stringify(tree.at('rank-1'))};
${peer}`;
  const program = tree.place('peer.cjs', script);
  const python = tree.place('python', `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
  chmodSync(python, 0o755);
  const recipe = { peer: tree.root, python, ranks: [2], rounds: 1, device: 'cpu', steps: 3, warmup: 1 };
  return benchScale(parseRecipe('benchScale', recipe), { signal });
}

/** Rank 1 stays, and heeds no request to stop. */
const STAYS = `process.on('SIGTERM', () => {});
setInterval(() => {}, 1000);
fs.writeFileSync(file + '.new', String(process.pid));
fs.renameSync(file + '.new', file);`;

function isGone(): boolean {
  try {
    process.kill(Number(readFileSync(tree.at('rank-1'), 'utf8')), 0);
    return false;
  } catch {
    return true;
  }
}

test('rank 0 writes the record, and all get the words of the step', async () => {
  const peer = `fs.writeFileSync(${JSON.stringify(tree.at('words-'))} + RANK, words.join(' '));
const at = words.indexOf('--json');
if (at >= 0) fs.writeFileSync(words[at + 1], JSON.stringify({ images_per_s_wall: 5 }));`;
  const { rows, ratios } = await bench(peer);
  expect(rows.map(({ system, imagesPerSecond }) => [system, imagesPerSecond!.median])).toEqual([
    ['earlybird', 10],
    ['ddp', 5],
  ]);
  expect(ratios).toEqual({ 2: 2 });
  const step = '--model vgg16 --mode tuned --batch 64 --steps 3 --warmup 1 --dtype fp32 --device cpu --threads 2';
  expect(readFileSync(tree.at('words-1'), 'utf8')).toBe(step);
  expect(readFileSync(tree.at('words-0'), 'utf8')).toMatch(new RegExp(`^${step} --json `));
});

test('the first rank that fails ends the others before the turn ends', async () => {
  const peer = `if (RANK === '1') { ${STAYS} }
else setInterval(() => { if (fs.existsSync(file)) { console.error('no port'); process.exit(1); } }, 20);`;
  const { rows } = await bench(peer);
  expect(rows[1]!.failure).toMatch(/python peer_ddp\.py gave no figure: no port; --python names another Python\.$/);
  expect(isGone()).toBe(true);
});

test('aborted, it leaves no rank', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const done = expect(
    bench(`if (RANK === '1') { ${STAYS} } else setInterval(() => {}, 1000);`, abort.signal),
  ).rejects.toBe(reason);
  while (!existsSync(tree.at('rank-1'))) await new Promise((next) => setTimeout(next, 20));
  abort.abort(reason);
  await done;
  expect(isGone()).toBe(true);
});
