/**
 * The loop of all fuzz targets: mutates inputs, keeps those that reach new code, and checks each outcome. The parser
 * runs in a worker; the main thread watches it, so that an endless loop or a full heap is a failure with its input.
 *
 * node NAME.fuzz.mjs [--seconds N] [--runs N] [--seed N] [--corpus DIR]
 * --corpus: inputs to begin with; new ones that count are written there. Without it: test/fuzz/corpus/NAME, which stays
 * as it is.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.mjs';
import { mutate, randomOf } from './mutations.mjs';

const MOST_INPUT = 1 << 17;
const MOST_SECONDS = 2;
/** Memory beyond twice the file, garbage of the parser included. */
const ALLOWANCE = 32 << 20;
/** Inputs between two looks at the coverage, which cost as much as tens of inputs: more where looks find nothing. */
const [LEAST, MOST] = [32, 512];
const MOST_FAILURES = 10;

const coverage = isMainThread ? null : new Coverage();
const require = createRequire(import.meta.url);
export const root = path.resolve(import.meta.dirname, '../../..');
const modules = new Map();
/** A module of the build. */
export function dist(name) {
  if (!modules.has(name)) modules.set(name, require(path.join(root, 'dist', `${name}.js`)));
  return modules.get(name);
}
/** Bytes of a file of the repository. */
export const bytesOf = (file) => fs.readFileSync(path.join(root, file));

/**
 * Runs a target.
 *
 * @param name of its corpus
 * @param setup returns { seeds, parse, tokens?, mutate?, codes?, naming? }: good files; the parser, called with the bytes and a path that is
 * its own; texts that mean something to it; a change of its own, called with (bytes, plain, random), where plain is the common one; the
 * codes of its errors; false where their messages name no file or another one
 */
export async function fuzz(name, setup) {
  if (isMainThread) await watch(name, optionsOf(name));
  else await work(name, await setup(), workerData);
}

function optionsOf(name) {
  const own = path.join(root, 'test/fuzz/corpus', name);
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      runs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      corpus: { type: 'string' },
    },
  });
  const seconds = Number(values.seconds ?? (values.runs ? 1e9 : 10));
  const corpus = path.resolve(values.corpus ?? own);
  return {
    seconds,
    runs: Number(values.runs ?? Infinity),
    seed: Number(values.seed),
    corpus,
    keep: 'corpus' in values,
  };
}

// --- the main thread

async function watch(name, options) {
  const shared = {
    /** Executions, refusals, failures, milliseconds of the slowest, bytes of the input at work, inputs in the corpus. */
    counts: new Int32Array(new SharedArrayBuffer(6 * 4)),
    input: new Uint8Array(new SharedArrayBuffer(MOST_INPUT)),
  };
  const { counts, input } = shared;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `fuzz-${name}-`));
  const worker = new Worker(process.argv[1], {
    workerData: { ...options, ...shared, folder },
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  let done;
  const stop = (why) => {
    if (why) {
      counts[2]++;
      report(options.corpus, input.slice(0, counts[4]), why);
    }
    done();
  };
  const ended = new Promise((resolve) => {
    done = resolve;
  });
  worker.on('error', (error) => stop(`the worker ended: ${error.stack ?? error}`));
  worker.on('exit', () => stop());
  let [last, since] = [-1, process.cpuUsage()];
  const timer = setInterval(() => {
    if (counts[0] !== last) [last, since] = [counts[0], process.cpuUsage()];
    else if (process.cpuUsage(since).user > 5e6 * MOST_SECONDS && counts[4] > 0) stop('it does not end');
  }, 500);
  await ended;
  clearInterval(timer);
  fs.rmSync(folder, { recursive: true, force: true });
  const [executions, refused, failures, slowestMs, , corpus] = counts;
  console.log(JSON.stringify({ target: name, executions, refused, failures, slowestMs, corpus }));
  process.exit(failures > 0 ? 1 : 0);
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

/** Keeps the input of a failure beside the corpus. */
function report(corpus, bytes, why) {
  const place = path.join(`${corpus}-failures`, hashOf(bytes));
  fs.mkdirSync(path.dirname(place), { recursive: true });
  fs.writeFileSync(place, bytes);
  console.error(`${place}: ${why}`);
}

// --- the worker

async function work(name, target, options) {
  const { seconds, runs, seed, corpus: place, keep, counts } = options;
  const random = randomOf(seed);
  const run = runnerOf(name, target, options);
  const tokens = (target.tokens ?? []).map((text) => Buffer.from(text, 'latin1'));
  const names = fs.existsSync(place) ? fs.readdirSync(place).sort() : [];
  const kept = names.map((file) => fs.readFileSync(path.join(place, file)));
  const corpus = [];
  for (const bytes of [...target.seeds.map((seed) => Buffer.from(seed)), ...kept].filter(
    ({ length }) => length <= MOST_INPUT,
  ))
    if ((await marked(run, bytes)) || corpus.length === 0) corpus.push(bytes);
  const own = corpus.length;
  const plain = (bytes) => mutate(bytes, random, corpus, tokens);
  const make = async () => {
    // Half of the time the input is one of the latest, which are less explored.
    const from = random(2) === 0 ? 0 : Math.max(0, corpus.length - 16);
    const bytes = corpus[from + random(corpus.length - from)];
    const made = target.mutate && random(4) > 0 ? await target.mutate(bytes, plain, random) : plain(bytes);
    return made.subarray(0, MOST_INPUT);
  };
  const end = performance.now() + seconds * 1000;
  for (let size = LEAST; performance.now() < end && counts[0] < runs && counts[2] < MOST_FAILURES; ) {
    const batch = [];
    for (const most = Math.min(size, runs - counts[0]); batch.length < most; ) batch.push(await make());
    const found = await telling(run, batch);
    size = found.length > 0 ? LEAST : Math.min(2 * size, MOST);
    corpus.push(...found);
  }
  if (keep) write(place, names, await needed(run, target.seeds, [...kept, ...corpus.slice(own)]));
  counts[5] = corpus.length;
}

/** True where the input reaches new code. */
async function marked(run, bytes) {
  await run(bytes);
  return coverage.mark() > 0;
}

/** The inputs that reach new code, found by halves: a look at the coverage costs more than a run. */
async function telling(run, inputs) {
  if (inputs.length === 1) return (await marked(run, inputs[0])) ? inputs : [];
  for (const bytes of inputs) await run(bytes);
  if (!coverage.isNew()) return [];
  const half = inputs.length >> 1;
  return [...(await telling(run, inputs.slice(0, half))), ...(await telling(run, inputs.slice(half)))];
}

/** Returns the inputs, small ones first, that reach code that neither the seeds nor earlier inputs reach. */
async function needed(run, seeds, inputs) {
  coverage.restart();
  for (const bytes of seeds) await marked(run, Buffer.from(bytes));
  const found = [];
  for (const bytes of inputs.sort((a, b) => a.length - b.length)) if (await marked(run, bytes)) found.push(bytes);
  return found;
}

function write(place, before, inputs) {
  fs.mkdirSync(place, { recursive: true });
  const now = new Map(inputs.map((bytes) => [hashOf(bytes), bytes]));
  for (const name of before) if (!now.has(name)) fs.rmSync(path.join(place, name));
  for (const [name, bytes] of now) fs.writeFileSync(path.join(place, name), bytes);
}

/** Runs the parser once and counts the outcome. */
function runnerOf(name, { parse, codes = ['ERR_CHECKPOINT'], naming = true }, { counts, input, folder, corpus }) {
  const file = path.join(folder, name);
  const known = new Set();
  const fail = (bytes, why) => {
    // Reports one failure of each kind: the first line of the message without its numbers, and where it was thrown.
    const kind = why.replace(/\d+/g, '').split('\n').slice(0, 3).join();
    if (known.has(kind)) return;
    known.add(kind);
    counts[2]++;
    report(corpus, bytes, why);
  };
  return async (bytes) => {
    input.set(bytes);
    counts[4] = bytes.length;
    const [memory, cpu] = [memoryNow(), process.cpuUsage()];
    try {
      await parse(bytes, file);
    } catch (error) {
      if (!codes.includes(error?.code)) fail(bytes, `${error?.stack ?? error}`);
      else if (naming && !error.message.includes(file))
        fail(bytes, `the message does not name the file: ${error.message}`);
      counts[1]++;
    }
    const { user } = process.cpuUsage(cpu);
    const took = memoryNow() - memory;
    counts[0]++;
    counts[3] = Math.max(counts[3], Math.round(user / 1000));
    if (user > 1e6 * MOST_SECONDS) fail(bytes, 'it takes more than 2 seconds');
    if (took > 2 * bytes.length + ALLOWANCE) fail(bytes, 'it takes more memory than twice the file and 32 MiB');
  };
}

function memoryNow() {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
