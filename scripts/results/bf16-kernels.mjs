#!/usr/bin/env node
// Tells whether bfloat16 finds the tickets that float32 finds: searches from several seeds in fp32, in fp32 by other
// kernels, in bf16 by LibTorch's convolutions, and in bf16 by products of integers (where the processor has them), and
// the distances between their masks. Compare the changes by bf16 with those by another rounding, and by another seed.
//   node scripts/results/bf16-kernels.mjs --save DIR [--seeds 1,2,3] [-- FLAGS OF search]
// Every search is a run of its own under DIR; finished ones are not run again. Ends with a table, also in DIR/bf16-kernels.json and .md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, flags, isFinished, option, run } from './runs.mjs';

const save = option('--save') ?? fail('give --save DIR');
const seeds = option('--seeds', '1,2,3').split(',');

const KINDS = {
  fp32: { precision: 'fp32', kernels: 'rule' },
  'fp32-direct': { precision: 'fp32', kernels: 'direct' },
  bf16: { precision: 'bf16', kernels: 'direct' },
  'bf16-integer': { precision: 'bf16', kernels: 'integer' },
};
const RATIOS = [30, 50, 70];

for (const seed of seeds)
  for (const [kind, { precision, kernels }] of Object.entries(KINDS)) {
    const folder = join(save, `${kind}-seed-${seed}`);
    if (isFinished(folder)) continue;
    const ratios = RATIOS.map((percent) => percent / 100);
    const own = ['--ratios', ...ratios, '--seed', seed, '--precision', precision, '--keep-checkpoints', 'none'];
    const status = run(`${kind}, seed ${seed}`, folder, ['search', ...flags, ...own], { EARLYBIRD_KERNELS: kernels });
    if (status !== 0) fail(`${folder} ended with ${status}`);
  }

const runs = Object.fromEntries(
  Object.keys(KINDS).map((kind) => [kind, seeds.map((seed) => readRun(join(save, `${kind}-seed-${seed}`)))]),
);
const epochs = runs.fp32[0].epochs;
const rows = [];
for (const percent of RATIOS)
  for (let epoch = 1; epoch <= epochs; epoch++)
    rows.push({
      percent,
      epoch,
      bf16: spread(seeds.map((_, i) => distance(runs.fp32[i], runs.bf16[i], percent, epoch))),
      integer: spread(seeds.map((_, i) => distance(runs.fp32[i], runs['bf16-integer'][i], percent, epoch))),
      otherKernels: spread(seeds.map((_, i) => distance(runs.fp32[i], runs['fp32-direct'][i], percent, epoch))),
      otherSeeds: spread(pairs(seeds.length).map(([i, j]) => distance(runs.fp32[i], runs.fp32[j], percent, epoch))),
    });
const kinds = Object.entries(runs).map(([kind, all]) => ({
  kind,
  top1: all.map(({ top1 }) => top1),
  drawn: Object.fromEntries(RATIOS.map((percent) => [percent, all.map(({ tickets }) => tickets[percent] ?? null)])),
}));
const text = `# Masks in bfloat16 and float32

    node scripts/results/bf16-kernels.mjs --save DIR --seeds ${seeds.join(',')} -- ${flags.join(' ')}

| search | top-1 of the last epoch, by seed | ticket after epochs at p = ${RATIOS.map((percent) => percent / 100).join(', ')} |
|---|---|---|
${kinds.map(({ kind, top1, drawn }) => `| ${kind} | ${top1.map((value) => `${value.toFixed(2)} %`).join(', ')} | ${RATIOS.map((percent) => drawn[percent].map((epoch) => epoch ?? '-').join(' ')).join('; ')} |`).join('\n')}

Distance of the masks from those of fp32, mean (lowest to highest) over the seeds:

| p | epoch | bf16 | bf16-integer | other kernels, fp32 | other seeds, fp32 |
|---|---|---|---|---|---|
${rows.map(({ percent, epoch, bf16, integer, otherKernels, otherSeeds }) => `| ${percent / 100} | ${epoch} | ${[bf16, integer, otherKernels, otherSeeds].map(shown).join(' | ')} |`).join('\n')}
`;
writeFileSync(join(save, 'bf16-kernels.json'), JSON.stringify({ flags, seeds, kinds, rows }, null, 1));
writeFileSync(join(save, 'bf16-kernels.md'), text);
console.log(text);

function readRun(folder) {
  const index = JSON.parse(readFileSync(join(folder, 'masks', 'index.json'), 'utf8'));
  const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
  const width = Math.ceil(index.channels / 8);
  const masks = Object.fromEntries(
    RATIOS.map((percent) => [percent, readFileSync(join(folder, 'masks', `${percent}.bits`))]),
  );
  const tickets = Object.fromEntries(
    Object.entries(result.tickets).map(([percent, { completed }]) => [percent, completed]),
  );
  return {
    ...index,
    width,
    masks,
    tickets,
    epochs: masks[RATIOS[0]].length / width - 1,
    top1: result.top1Last,
  };
}

// Row e of a file is the mask after e epochs.
function distance(a, b, percent, epoch) {
  const [from, to] = [a, b].map(({ masks, width }) => masks[percent].subarray(epoch * width, (epoch + 1) * width));
  let bits = 0;
  for (let i = 0; i < from.length; i++) for (let x = from[i] ^ to[i]; x; x &= x - 1) bits++;
  return bits / a.channels;
}

function pairs(count) {
  return Array.from({ length: count }, (_, i) => Array.from({ length: i }, (_, j) => [j, i])).flat();
}

function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, low: Math.min(...values), high: Math.max(...values) };
}

function shown({ mean, low, high }) {
  return Number.isFinite(mean) ? `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})` : '-';
}
