#!/usr/bin/env node
// Feeds every parser of files from strangers with inputs that a coverage-guided fuzzer makes.
//   npm run fuzz -- [--seconds N] [--jobs N] [--target NAME]... [--keep]
// Targets are cpp/*.cpp (libFuzzer; build.mjs) and js/*.fuzz.mjs. Each is given N seconds (60) and the corpus in corpus/NAME, which it
// reads; with --keep, inputs that reach new code are added to it, and it is minimised. --jobs (1): so many targets at a time. One line
// a target; the input of a failure is kept at the place that is printed, and the exit code is 1.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import util from 'node:util';
import { buildTargets, built, findClang, here } from './build.mjs';

/** Limits of an input in C++ targets. libFuzzer and AddressSanitizer take 200 MB of the memory, an image the rest. */
const LIMITS = ['-max_len=65536', '-timeout=2', '-rss_limit_mb=384', '-malloc_limit_mb=64'];

const named = (folder, ending) =>
  existsSync(join(here, folder))
    ? readdirSync(join(here, folder)).flatMap((name) => (name.endsWith(ending) ? name.slice(0, -ending.length) : []))
    : [];

/** The C++ and the JavaScript targets, by name. */
export const targets = { cpp: named('cpp', '.cpp'), js: named('js', '.fuzz.mjs') };

function run(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += data;
    });
  }
  return new Promise((done) => child.on('close', (status) => done({ status: status ?? 1, output })));
}

const ASAN = { ASAN_OPTIONS: 'quarantine_size_mb=16:detect_leaks=1', UBSAN_OPTIONS: 'print_stacktrace=1' };

/** Runs a C++ target in a copy of its corpus; the result as `report` prints it. */
export async function fuzz(name, program, { seconds, keep = false, seed }) {
  const corpus = join(here, 'corpus', name);
  const folder = mkdtempSync(join(tmpdir(), 'earlybird-fuzz-'));
  try {
    if (existsSync(corpus)) cpSync(corpus, folder, { recursive: true });
    const before = readdirSync(folder).length;
    const failures = join(built, `failure-${name}-`);
    const settings = [`-max_total_time=${seconds}`, '-print_final_stats=1', `-artifact_prefix=${failures}`];
    if (seed !== undefined) settings.push(`-seed=${seed}`);
    const { status, output } = await run(program, [...LIMITS, ...settings, folder], ASAN);
    const executions = Number(output.match(/stat::number_of_executed_units: (\d+)/)?.[1] ?? 0);
    const added = readdirSync(folder).length - before;
    const failure = output.match(/Test unit written to (\S+)/)?.[1];
    if (keep && status === 0) await minimise(program, folder, corpus);
    return { name, status, executions, added, failure, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Keeps in the corpus the smallest inputs that reach as much as all of `folder`. */
async function minimise(program, folder, corpus) {
  const merged = `${corpus}.new`;
  rmSync(merged, { recursive: true, force: true });
  mkdirSync(merged, { recursive: true });
  const { status, output } = await run(program, [...LIMITS, '-merge=1', merged, folder], ASAN);
  if (status !== 0) throw new Error(`the corpus could not be minimised:\n${output.slice(-3000)}`);
  rmSync(corpus, { recursive: true, force: true });
  renameSync(merged, corpus);
}

function report({ name, status, executions, added, failure, output }) {
  const failed = status === 0 ? '0 failures' : `FAILED${failure ? `: ${failure}` : ''}`;
  process.stdout.write(`${name}: ${executions} executions, ${added} new corpus entries, ${failed}\n`);
  if (status !== 0) process.stdout.write(`${output.slice(-4000)}\n`);
  return status;
}

/** A JavaScript target prints its own line, and changes the corpus that it is given. */
async function fuzzJs(name, seconds, keep) {
  const corpus = keep ? ['--corpus', join(here, 'corpus', name)] : [];
  const target = join(here, 'js', `${name}.fuzz.mjs`);
  const { status, output } = await run(process.execPath, [target, '--seconds', String(seconds), ...corpus]);
  process.stdout.write(output);
  return status;
}

async function main() {
  const { values } = util.parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      jobs: { type: 'string', default: '1' },
      target: { type: 'string', multiple: true },
      keep: { type: 'boolean', default: false },
    },
  });
  const [seconds, jobs] = [Number(values.seconds), Number(values.jobs)];
  const wanted = (names) => names.filter((name) => values.target?.includes(name) ?? true);
  const [cpp, js] = [wanted(targets.cpp), wanted(targets.js)];
  if (!(seconds > 0) || !(jobs > 0) || cpp.length + js.length === 0) {
    process.stderr.write(
      `fuzz: there is no such target, or no time or job; targets: ${[...targets.cpp, ...targets.js].join(', ')}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const { clang, why } = cpp.length > 0 ? findClang() : {};
  if (why) process.stdout.write(`${cpp.join(', ')}: skipped, ${why}\n`);
  const programs = clang ? buildTargets(clang, cpp) : [];
  const waiting = [
    ...programs.map((program, i) => async () => report(await fuzz(cpp[i], program, { seconds, keep: values.keep }))),
    ...js.map((name) => () => fuzzJs(name, seconds, values.keep)),
  ];
  let status = 0;
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) status |= await next();
  };
  await Promise.all(Array.from({ length: jobs }, work));
  process.exitCode = status === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) await main();
