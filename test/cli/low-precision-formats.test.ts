/** scripts/results/low-precision-formats.mjs on folders as finished runs leave them: nothing is trained. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metrics } from '../support/metrics';
import { main, root, start } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const built = existsSync(main) ? test : test.skip;

const EPOCHS = 4;
const CHANNELS = 16;

interface Fake {
  dense: number;
  /** Absent: no ticket emerged. */
  ticket?: number;
  drawn?: number;
  gbitops: number;
  /** The mask after every epoch, a row of two bytes each. */
  masks: number[][];
  forward?: string[];
}

function fake(row: string, seed: number, { dense, ticket, drawn = 2, gbitops, masks, forward }: Fake): void {
  const search = join(folder.path, `${row}-seed-${seed}`, 'search');
  mkdirSync(join(search, 'masks'), { recursive: true });
  const json = (name: string, value: object) => writeFileSync(join(search, name), JSON.stringify(value));
  const costs = { gbitops, modelledJoules: gbitops / 10 };
  const tickets = ticket === undefined ? {} : { '30': { file: '', completed: drawn } };
  json('result.json', { top1Last: dense, arithmetic: { ...costs, gbitops: 10 * gbitops }, seconds: 9, tickets });
  json('masks/index.json', { channels: CHANNELS, first: 0, ratios: [0.3] });
  writeFileSync(join(search, 'masks', '30.bits'), Buffer.from(masks.flat()));
  const bits = { weight: 8, activate: 8, error: 8, grad: 8 };
  const lines = Array.from({ length: EPOCHS }, (_, epoch) => ({
    ...metrics(epoch, 1, 40, 45),
    arithmetic: { ...costs, bits, ...(forward ? { forward: forward[epoch] } : {}) },
  }));
  writeFileSync(join(search, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  if (ticket === undefined) return;
  const result = {
    ticket: { percent: 30, completed: drawn },
    retrain: { top1Last: ticket },
    prune: { effective: { channels: 0.3 } },
    trainingFlops: { arithmetic: { search: costs, retrain: costs, dense: costs } },
    summary: [{}, { seconds: 7 }],
  };
  writeFileSync(join(search, '..', 'result.json'), JSON.stringify(result));
}

const tables = (...more: string[]) =>
  start(process.execPath, [
    join(root, 'scripts', 'results', 'low-precision-formats.mjs'),
    // Nothing is left to run: one without a ticket is finished too.
    ...['--save', folder.path, '--runs', '1', ...more],
  ]).done;

built('rows over seeds, differences paired by seed, and distances to the first row', async () => {
  const still = Array.from({ length: EPOCHS + 1 }, () => [0b1111_0000, 0b1111_0000]);
  const moved = Array.from(still.keys(), (epoch) => [epoch === 3 ? 0b1111_0001 : 0b1111_1111, 0b1111_0000]);
  for (const [i, seed] of [1, 2].entries()) {
    fake('ff', seed, { dense: 60 + i, ticket: 58 + i, gbitops: 100, masks: still });
    // Dense networks lose 2 and 4 points, tickets half a point.
    fake('bfp8', seed, { dense: 58 - i, ticket: 57.5 + i, drawn: 3, gbitops: 10, masks: moved });
  }
  fake('mask', 1, { dense: 50, ticket: 55, gbitops: 5, masks: still, forward: ['4', '4', '5', '8'] });
  fake('mask', 2, { dense: 51, gbitops: 5, masks: still });
  const { status, stdout, stderr } = await tables('--seeds', '1,2', '--rows', 'ff,bfp8,mask', '--', '--epochs', '4');
  expect([status, stderr]).toEqual([0, '']);

  const { groups } = JSON.parse(readFileSync(join(folder.path, 'low-precision-formats.json'), 'utf8'));
  const [ff, bfp8, mask] = groups;
  expect(ff).toMatchObject({ n: 2, dense: { mean: 60.5 }, ticket: { mean: 58.5 }, gbitops: { mean: 200 }, lost: null });
  expect(bfp8.lost).toMatchObject({
    dense: { mean: -3, n: 2 },
    ticket: { mean: -0.5, sd: 0 },
    ticketOverDense: { mean: 2.5 },
  });
  // One of 16 bits after the epoch of its own ticket; four after that of the first row.
  expect(bfp8.distance.mean).toBeCloseTo(1 / CHANNELS);
  expect(bfp8.distanceSameEpoch.mean).toBeCloseTo(4 / CHANNELS);
  expect(mask).toMatchObject({ n: 1, drawn: [2, null], dense: { n: 2 }, ticket: { n: 1, mean: 55, low: null } });

  expect(stdout).toContain('--rows ff,bfp8,mask --seeds 1,2 -- --epochs 4');
  expect(stdout).toMatch(/^\| bfp8 \| 2 of 2 \| 57\.50 \[.*\| 3, 3 \| 0\.063 .*\| 20 \| 0\.020x \| 2\.00 \| 7 \|$/m);
  expect(stdout).toMatch(/^\| mask \| 1 of 2 .*\| 2, – \|/m);
  expect(stdout).toMatch(/^\| bfp8 \| −3\.00 \[.*\] \| −0\.50 \[−0\.50, −0\.50\] \* \| \+2\.50 /m);
  expect(stdout).toContain('- mask: forward passes of the search, epochs in brackets: 4 (2), 5 (1), 8 (1).');
});

built('another row is refused', async () => {
  const { status, stderr } = await tables('--rows', 'ff,fp2');
  expect(status).toBe(1);
  expect(stderr).toContain('low-precision-formats.mjs: fp2 is not a row: give some of ff, bfp8,');
});
