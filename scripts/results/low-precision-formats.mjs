#!/usr/bin/env node
// Measures the cost of low precision for a dense network and its ticket: EB Train in full precision, in each format,
// and with bits that follow the masks, over seeds. Paired differences tell whether tickets lose less than dense
// networks.
//   node scripts/results/low-precision-formats.mjs --save DIR [--seeds 1,2,3] [--rows ff,bfp8,...] [--runs N] [-- FLAGS OF train]
//   node scripts/results/low-precision-formats.mjs --save runs/formats -- --dataset folder --data DIR --arch resnet --depth 20 -sr \
//     --limit-train 10000 --epochs 30 --schedule 15 23 --batch-size 64
// Every run is a folder of its own under DIR; a finished one is not run again, and one that was interrupted goes on. --runs ends after so
// many. The tables of what is finished come at the end, also in DIR/low-precision-formats.json and .md.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRun, tablesOf } from './low-precision-tables.mjs';
import { fail, flags, isFinished, option, run } from './runs.mjs';

/** The flags of each row. All others are compared with the first one. */
const ROWS = {
  ff: ['--variant', 'ff'],
  bfp8: ['--format', 'bfp8'],
  mxint8: ['--format', 'mxint8'],
  mxfp8: ['--format', 'mxfp8-e4m3'],
  mxfp4: ['--format', 'mxfp4'],
  nvfp4: ['--format', 'nvfp4'],
  mask: ['--format', 'bfp8', '--precision-schedule', 'mask'],
  'mask-mx': ['--format', 'mxfp8-e4m3', '--precision-schedule', 'mask'],
  cpt: ['--format', 'bfp8', '--precision-schedule', 'cpt'],
  pfq: ['--format', 'bfp8', '--precision-schedule', 'pfq'],
};
const USUAL = 'ff,bfp8,mxint8,mxfp8,mxfp4,nvfp4,mask';

const save = option('--save') ?? fail('give --save DIR');
const seeds = option('--seeds', '1,2,3').split(',');
const rows = option('--rows', USUAL).split(',');
const unknown = rows.find((row) => !ROWS[row]);
if (unknown !== undefined) fail(`${unknown} is not a row: give some of ${Object.keys(ROWS).join(', ')}`);
let left = Number(option('--runs', 'Infinity'));

mkdirSync(save, { recursive: true });
// Goes seed after seed, so that a part of the runs has whole rows.
for (const seed of seeds)
  for (const row of rows) {
    const folder = folderOf(row, seed);
    if (isFinished(folder) || left-- <= 0) continue;
    const own = [...ROWS[row], '--seed', seed, '--compare-dense', '--no-measure'];
    const status = run(`${row}, seed ${seed}`, folder, ['train', ...flags, ...own]);
    // Without a ticket its dense network still counts; anything else is wrong with all runs.
    if (status !== 0 && !existsSync(join(folder, 'search', 'result.json'))) fail(`${folder} ended with ${status}`);
  }

const runs = await Promise.all(
  rows.flatMap((row) => seeds.map(async (seed) => ({ row, seed, ...(await readRun(folderOf(row, seed))) }))),
);
const { json, text } = await tablesOf({ rows, seeds, runs, command: `-- ${flags.join(' ')}` });
writeFileSync(join(save, 'low-precision-formats.json'), `${JSON.stringify(json, null, 1)}\n`);
writeFileSync(join(save, 'low-precision-formats.md'), text);
console.log(text);

function folderOf(row, seed) {
  return join(save, `${row}-seed-${seed}`);
}
