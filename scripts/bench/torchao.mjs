#!/usr/bin/env node
// Casts of float32 tensors to MX formats and NVFP4 and back: ours beside torchao's, which emulates them in PyTorch, eager
// and compiled. The programs take turns, with the same shapes, blocks (along channels), rule (floor, ties to even), threads.
//   node scripts/bench/torchao.mjs --python PYTHON [--rounds 3] [--reps 5] [--threads N]
//   (pip install torch torchao==0.18.0)
// Prints a table of medians; ours, which are shorter, are timed four times as often. torchao has no mxint8.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const { alternating, spread } = createRequire(import.meta.url)(join(root, 'dist/measure.js'));

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '3' },
    reps: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
  },
});
const { python, reps, threads } = values;

const FORMATS = { mxint8: false, 'mxfp8-e4m3': true, mxfp4: true, nvfp4: true };
/** Tensors of `bench kernels`, in channels_last: pixels (of weights: filters and places) by channels. */
const TENSORS = {
  'early activation': '262144x64',
  'late activation': '1024x512',
  'conv weight': '4608x512',
  'beyond the caches': '262144x256',
};

const ours = (format) => {
  const flags = ['--format', format, '--repetitions', String(4 * reps), '--rounds', '1', '--threads', threads];
  const { kernels, ...run } = printed(process.execPath, [
    join(root, 'dist/cli/main.js'),
    ...['bench', 'kernels', ...flags, '--device', 'cpu', '--peer', 'none', '--json', '--quiet'],
  ]);
  const of = (name) => kernels.find((row) => row.name === `${name}, dim 1, even`).quantize.median;
  return { ...run, ms: Object.fromEntries(Object.keys(TENSORS).map((name) => [name, { ours: [of(name)] }])) };
};
const theirs = (format) =>
  printed(python, [
    join(here, 'torchao_cast.py'),
    ...['--format', format, '--threads', threads, '--reps', reps],
    ...Object.entries(TENSORS).map(([name, shape]) => `${name}=${shape}`),
  ]);

const samples = [];
let versions;
for (let round = 0; round < Number(values.rounds); round++)
  for (const [format, both] of Object.entries(FORMATS))
    for (const side of alternating(both ? [ours, theirs] : [ours], round)) {
      process.stderr.write(`torchao.mjs: round ${round + 1}, ${format}, ${side.name}\n`);
      const record = side(format);
      versions = record.versions ?? versions;
      for (const [name, modes] of Object.entries(record.ms))
        for (const [mode, list] of Object.entries(modes)) samples.push({ format, name, mode, list });
    }

console.log(`${os.cpus()[0].model}, ${threads} threads, Node ${process.versions.node}, PyTorch ${versions.torch}, torchao ${versions.torchao}

| format | tensor | ours (ms) | torchao (ms) | compiled (ms) | torchao / ours | compiled / ours |
|---|---|---|---|---|---|---|`);
for (const format of Object.keys(FORMATS))
  for (const name of Object.keys(TENSORS)) {
    const median = (mode) => {
      const own = samples.filter((sample) => sample.format === format && sample.name === name && sample.mode === mode);
      return spread(own.flatMap(({ list }) => list))?.median ?? null;
    };
    const [first, ...others] = ['ours', 'eager', 'compiled'].map(median);
    const ratios = others.map((ms) => (ms === null ? '–' : `${(ms / first).toFixed(1)}x`));
    console.log(`| ${[format, name, ...[first, ...others].map(shown), ...ratios].join(' | ')} |`);
  }

function shown(ms) {
  return ms === null ? '–' : ms.toPrecision(3);
}

/** The JSON that a program prints. */
function printed(program, words) {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status === 0) return JSON.parse(stdout);
  process.stderr.write(`torchao.mjs: ${program} ${words.slice(0, 3).join(' ')} ended with ${status}\n${stderr}`);
  process.exit(1);
}
