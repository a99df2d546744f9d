#!/usr/bin/env node
// Kills small runs at one of their writes or at any moment, or lets a write fail, and runs the same command again: it must end with the
// bytes of a run that nothing happened to.
//   node test/stress/kill.mjs [--times N] [--seed N]
// Each call that changes files is the first to be hit in one run before any is so in two, as far as --times faults reach. Prints a
// line for each fault that was not survived, a summary (on SIGINT too), and ends with 1 if there was one.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', '..', 'dist', 'cli', 'main.js');
const { values } = parseArgs({ options: { times: { type: 'string' }, seed: { type: 'string' } } });
const times = Number(values.times ?? 25);
const seed = Number(values.seed ?? 1);

const words = (text) => text.split(' ');
const NETWORK = words('--arch vgg --depth 11 --cfg 16 M 16 M 32 32 M 64 64 M 64 64 --device cpu --threads 1');
const IMAGES = words('--dataset synthetic --limit-train 96 --limit-test 32 --batch-size 32 --test-batch-size 32');
const TRAINING = words('--schedule 3 --lr 0.05 -sr --seed 3 --detector-window 2 --detector-threshold 1 --epochs 3');
const BITS = words('--wl-weight 8 --wl-activate 8 --wl-grad 8 --wl-error 8 --wl-momentum 8');
const COMMANDS = {
  train: ['train', '--percent', '0.3', '--no-measure'],
  'train, with reports and checkpoints inside epochs': words('train --percent 0.3 --no-measure --checkpoint-every 2'),
  'search in low precision, averaged': ['search', ...BITS, ...words('--swa --swa_start 1 --report false')],
};
/** The ways in which a call goes wrong; `dies` where the process dies of it. */
const FAULTS = [
  { name: 'killed before it', env: { FAULT: 'kill' }, dies: true },
  { name: 'killed behind it', env: { FAULT: 'after' }, dies: true },
  { name: 'killed within it', env: { FAULT: 'torn' }, dies: true },
  { name: 'no space, once', env: { FAULT: 'fail', FAULT_ERRNO: 'ENOSPC' } },
  { name: 'an input/output error', env: { FAULT: 'fail', FAULT_ERRNO: 'EIO' } },
  { name: 'no space from then on', env: { FAULT: 'full', FAULT_ERRNO: 'ENOSPC' } },
  { name: 'no space from within it', env: { FAULT: 'fill', FAULT_ERRNO: 'ENOSPC' } },
  { name: 'a folder that cannot be written any more', env: { FAULT: 'refuse', FAULT_ERRNO: 'EROFS' } },
  { name: 'the clock goes back an hour', env: { FAULT: 'clock' }, survives: true },
  { name: 'killed at any moment', env: {}, dies: true },
];

/** The most faults that a run meets before it is left alone. */
const IN_A_ROW = 12;

/** Entries that depend on a clock, a process, a folder or a commit made meanwhile; all else must be the same. */
const OF_THE_MOMENT = /^(seconds|.*Seconds|imagesPerSecond|energy|joules|machine|step|gitCommit)$/i;
const isNamed = (name) => /\.(pth\.tar|bits|npy|txt|json|jsonl|svg)$/.test(name) && !/energy\.json$/.test(name);

const folder = mkdtempSync(join(tmpdir(), 'earlybird-kill-'));
const shim = join(folder, 'faults.so');
const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, join(here, 'faults.c'), '-ldl'], {
  encoding: 'utf8',
});
if (compiled.status !== 0) throw new Error(`faults.c does not compile: ${compiled.stderr ?? compiled.error}`);

/** The same numbers in every run of this program. */
function* numbers(state) {
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}
const random = numbers(seed);
const below = (count) => Math.floor(random.next().value * count);

async function run(command, save, fault = {}, killAfter = undefined) {
  const counter = join(folder, 'count');
  writeFileSync(counter, Buffer.alloc(8));
  const args = [main, ...COMMANDS[command], ...NETWORK, ...IMAGES, ...TRAINING, '--save', save];
  const env = { ...process.env, ...fault, FAULT_ROOT: folder, FAULT_COUNT: counter, LD_PRELOAD: shim };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [status, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)));
  clearTimeout(timer);
  return { status, signal, stderr, calls: Number(readFileSync(counter).readBigUInt64LE()) };
}

const timeless = (value) => {
  if (Array.isArray(value)) return value.map(timeless);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value).filter(([key]) => !OF_THE_MOMENT.test(key));
  return Object.fromEntries(kept.map(([key, one]) => [key, timeless(one)]));
};

/** The files of a run, without the entries that depend on the moment. */
function outcome(save) {
  const names = readdirSync(save, { recursive: true }).filter(isNamed).sort();
  return new Map(
    names.map((name) => {
      const bytes = readFileSync(join(save, name));
      if (!/\.jsonl?$/.test(name)) return [name, bytes.toString('base64')];
      const text = bytes.toString().replaceAll(save, 'SAVE');
      const rows = name.endsWith('l') ? text.trim().split('\n') : [text];
      return [name, JSON.stringify(rows.map((row) => timeless(JSON.parse(row))))];
    }),
  );
}
const differing = (a, b) => [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));

/** Runs each command twice without a fault: the files must not differ. */
const expected = {};
for (const command of Object.keys(COMMANDS)) {
  const saves = [1, 2].map((i) => join(folder, `whole-${i}`, 'run'));
  for (const save of saves) {
    mkdirSync(dirname(save), { recursive: true });
    const began = Date.now();
    const { status, stderr, calls } = await run(command, save);
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
    expected[command] = { outcome: outcome(save), calls, milliseconds: Date.now() - began };
  }
  const other = differing(outcome(saves[0]), outcome(saves[1]));
  if (other.length > 0) throw new Error(`${command}: two runs differ in ${other.join(', ')}`);
  for (const save of saves) rmSync(dirname(save), { recursive: true });
}

/** All calls of all commands in a random order, with each fault once before any comes again. */
function* trials() {
  const all = Object.entries(expected).flatMap(([command, { calls }]) =>
    Array.from({ length: calls }, (_, i) => ({ command, at: i + 1 })),
  );
  for (let round = 0; ; round++) {
    for (let i = all.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [all[i], all[j]] = [all[j], all[i]];
    }
    for (const [i, one] of all.entries()) yield { ...one, fault: FAULTS[(i + round) % FAULTS.length] };
  }
}

/** Meets a run with one fault. Returns problems, whether the fault came to pass, and whether the run succeeded. */
async function strike({ command, at, fault }, save) {
  const isTimed = fault.dies && !fault.env.FAULT;
  const killAfter = isTimed ? below(expected[command].milliseconds) : undefined;
  const { status, signal, stderr, calls } = await run(command, save, { ...fault.env, FAULT_AT: String(at) }, killAfter);
  const isMet = isTimed ? signal === 'SIGKILL' : calls >= at;
  const problems = [];
  if (fault.dies && isMet && signal !== 'SIGKILL') problems.push(`it was not killed: ${stderr}`);
  if (fault.survives && status !== 0) problems.push(`it did not go on: ${stderr.slice(-500)}`);
  // The run ends with one sentence with a code, or goes on without that file.
  else if (!fault.dies && status !== 0 && !/\[ERR_\w+\]\s*$/.test(stderr))
    problems.push(`ended with ${status ?? signal}: ${stderr.slice(-500)}`);
  return { problems, isMet, isDone: status === 0 };
}

/** Problems of one run: `trial`, then faults at random until it is done, then none. */
async function attempt(trial, save, chain) {
  const problems = [];
  let next = trial;
  let left = IN_A_ROW;
  for (let isDone = false; !isDone && left > 0; left--) {
    const struck = await strike(next, save);
    isDone = struck.isDone;
    if (struck.isMet) {
      counts[next.fault.name]++;
      if (next.fault.env.FAULT) calls.add(`${next.command} ${next.at}`);
    }
    const named = `call ${next.at}, ${next.fault.name}`;
    problems.push(...struck.problems.map((one) => `${named}: ${one}`));
    chain.push(named);
    // The next fault is an early one: later calls of a resumed run are those of a run that was never stopped.
    next = { ...trial, at: 1 + below(expected[trial.command].calls / 4), fault: FAULTS[below(FAULTS.length)] };
  }
  const last = await run(trial.command, save);
  if (last.status !== 0) problems.push(`the same command ends with ${last.status}: ${last.stderr.slice(-500)}`);
  else {
    const files = differing(outcome(save), expected[trial.command].outcome);
    if (files.length > 0) problems.push(`other bytes in ${files.join(', ')}`);
    // A lock stays where its removal failed, as that of a process that has ended.
    const isStray = (name) => /(^|\/)\./.test(name) && !/\.earlybird(-figures)?\.lock$/.test(name);
    const strays = readdirSync(save, { recursive: true }).filter(isStray);
    if (strays.length > 0) problems.push(`left over: ${strays.join(', ')}`);
  }
  return problems;
}

let failed = 0;
const counts = Object.fromEntries(FAULTS.map(({ name }) => [name, 0]));
const met = () => Object.values(counts).reduce((sum, count) => sum + count, 0);
const calls = new Set();
const all = trials();
let stopped = false;
process.once('SIGINT', () => {
  stopped = true;
});
for (let runs = 0; met() < times && !stopped; runs++) {
  const trial = all.next().value;
  const save = join(folder, `run-${runs}`);
  const chain = [];
  const problems = await attempt(trial, save, chain);
  if (problems.length > 0) failed++;
  for (const problem of problems) console.log(`${trial.command}, after ${chain.join('; ')}: ${problem}`);
  rmSync(save, { recursive: true, force: true });
}
const total = Object.values(expected).reduce((sum, one) => sum + one.calls, 0);
console.log(JSON.stringify({ faults: met(), failed, seed, kinds: counts, calls: calls.size, of: total }));
rmSync(folder, { recursive: true, force: true });
process.exitCode = failed > 0 ? 1 : 0;
