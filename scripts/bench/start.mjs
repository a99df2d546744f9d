#!/usr/bin/env node
// Times starts, beside two lower bounds: Node alone, and Node that opens LibTorch. Prints one JSON object.
//   node scripts/bench/start.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const require = createRequire(import.meta.url);
const RUNS = 7;

/** Each process writes this report as it ends: its processor time, since other programs lengthen the wall time. */
const REPORT = `process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  require('node:fs').writeSync(3, String((user + system) / 1e6));
});`;

/** Medians of seven processes each, seconds: wall time and processor time. */
export function startTimes() {
  const { spread } = require(join(root, 'dist/measure.js'));
  const { addonPath } = require(join(root, 'dist/native/addon.js'));
  const libtorch = require(join(root, 'dist/libtorch/find.js')).findLibTorch();
  const folder = mkdtempSync(join(os.tmpdir(), 'earlybird-bench-'));
  const preload = join(folder, 'report.cjs');
  writeFileSync(preload, REPORT);
  const median = (values) => Number(spread(values).median.toPrecision(3));
  const time = (...args) => {
    const runs = Array.from({ length: RUNS }, () => {
      const start = performance.now();
      const stdio = ['ignore', 'pipe', 'pipe', 'pipe'];
      const { status, stderr, output } = spawnSync(process.execPath, ['-r', preload, ...args], {
        encoding: 'utf8',
        stdio,
      });
      if (status !== 0) throw new Error(stderr);
      return { wall: (performance.now() - start) / 1000, cpu: Number(output[3]) };
    });
    return { wall: median(runs.map(({ wall }) => wall)), cpu: median(runs.map(({ cpu }) => cpu)) };
  };
  const text = (...parts) => JSON.stringify(join(...parts));
  const libraries = ['libc10.so', 'libtorch_cpu.so']
    .map((name) => `open(${text(libtorch.root, 'lib', name)});`)
    .join(' ');
  const opener = text(dirname(addonPath(libtorch)), 'earlybird_loader.so');
  const addon = `require(${text(root, 'dist/native/addon.js')}).loadAddon({ device: 'cpu' })`;
  try {
    return {
      node: time('-e', '0'),
      help: time(join(root, 'dist/cli/main.js'), '--help'),
      libtorch: time(
        '-e',
        `const m = { exports: {} }; process.dlopen(m, ${opener}); const { open } = m.exports; ${libraries}`,
      ),
      firstTensor: time('-e', `${addon}.filterImages(new Uint8Array(12), [1, 2, 2, 3], { kind: 'none', sigma: 1 })`),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(startTimes(), null, 2));
