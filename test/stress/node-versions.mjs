#!/usr/bin/env node
// Runs one built addon under several versions of Node: the tests of test/native that use it, and a small training whose files must be
// the same under all of them, byte by byte.
//   node test/stress/node-versions.mjs [--nodes 20,22,24] [--tests PATTERN]
// The versions are those of npm's package `node`. --tests: only the tests whose paths match; default: test/native and test/lifecycle.
// Prints a line for each, and ends with 1 if one failed or gave other files.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '20,22,24' },
    tests: { type: 'string', default: 'test/(native|lifecycle)/' },
  },
});

const TRAINING = (
  'train --arch vgg --depth 11 --cfg 16 M 16 M 32 32 M 64 64 M 64 64 --device cpu --threads 1 --dataset synthetic ' +
  '--limit-train 96 --limit-test 32 --batch-size 32 --test-batch-size 32 --schedule 3 --lr 0.05 -sr --seed 3 ' +
  '--detector-window 2 --detector-threshold 1 --epochs 3 --percent 0.3 --no-measure'
).split(' ');

const folder = mkdtempSync(join(tmpdir(), 'earlybird-nodes-'));
const ended = ({ status, signal, error }) => error?.message ?? (signal ? `killed by ${signal}` : `exit code ${status}`);

/** Path of the binary. */
function install(version) {
  const prefix = join(folder, `node-${version}`);
  mkdirSync(prefix);
  const options = ['--prefix', prefix, '--no-audit', '--no-fund', '--silent'];
  const done = spawnSync('npm', ['install', ...options, `node@${version}`], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`npm has no node@${version}: ${done.stderr}`);
  return join(prefix, 'node_modules', 'node', 'bin', 'node');
}

/** Runs the tests of the addon, except those of test/cpp, which do not use Node. */
function nativeTests(node) {
  const log = join(folder, 'tests.json');
  rmSync(log, { force: true });
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const chosen = [values.tests, '--testPathIgnorePatterns', 'native/cpp.test'];
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  const done = spawnSync(node, [jest, ...chosen, '--json', '--outputFile', log], { cwd: root, env, encoding: 'utf8' });
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests } = JSON.parse(
      readFileSync(log),
    );
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    if (failed > 0) process.stderr.write(`${done.stderr.slice(-8000)}\n`);
    return { passed: numPassedTests, failed, skipped: numPendingTests };
  } catch {
    throw new Error(`the tests did not end: ${ended(done)}\n${done.stderr.slice(-4000)}`);
  }
}

/** A short name of all checkpoints: their paths and bytes. */
function training(node, version) {
  const save = join(folder, `run-${version}`);
  const main = join(root, 'dist', 'cli', 'main.js');
  const env = { ...process.env, EARLYBIRD_KERNELS: 'rule' };
  const done = spawnSync(node, [main, ...TRAINING, '--save', save], { env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the training ended with ${ended(done)}: ${done.stderr.slice(-2000)}`);
  const hash = createHash('sha256');
  const files = readdirSync(save, { recursive: true }).filter((name) => name.endsWith('.pth.tar'));
  for (const name of files.sort()) hash.update(name).update(readFileSync(join(save, name)));
  return hash.digest('hex').slice(0, 16);
}

const weights = new Set();
let wrong = 0;
try {
  for (const version of values.nodes.split(',')) {
    try {
      const node = install(version);
      const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
      const trained = training(node, version);
      const { passed, failed, skipped } = nativeTests(node);
      weights.add(trained);
      wrong += failed;
      console.log(`Node ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped; weights ${trained}`);
    } catch (error) {
      wrong++;
      console.log(`Node ${version}: ${error.message}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (weights.size > 1) console.log('the weights differ between versions of Node');
process.exitCode = wrong > 0 || weights.size > 1 ? 1 : 0;
