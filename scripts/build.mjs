#!/usr/bin/env node
// Builds dist/ (TypeScript) and build/<LibTorch>/build/Release (the addon, by cmake-js). Every step can be run again.
//   node scripts/build.mjs [--cuda AUTO|ON|OFF] [--cuda-archs LIST] [--libtorch DIR] [--clean] [--native-only | --ts-only]
//     [--target NAME] [--verbose]
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import util from 'node:util';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** A step that could not be done: what, why, and what to do about it. */
export class StepError extends Error {
  constructor(cause, remedy) {
    super(cause);
    this.remedy = remedy;
  }
}

export async function buildTypeScript() {
  if (!existsSync(join(root, 'tsconfig.json'))) return;
  const tsc = [require.resolve('typescript/bin/tsc'), '-p', root];
  await follow(process.execPath, tsc, 'the TypeScript sources do not compile');
  // npx makes the command executable in its first run only, and a compiler that finds no dist/ writes a plain file.
  chmodSync(join(root, require('../package.json').bin.earlybird), 0o755);
  removeOrphans();
}

/** Removes outputs of sources that are gone: the compiler leaves them, and they would be packed. */
function removeOrphans() {
  const dist = join(root, 'dist');
  for (const name of readdirSync(dist, { recursive: true })) {
    const source = /^(.*?)(\.d\.ts|\.js)$/.exec(name)?.[1];
    if (source && !existsSync(join(root, 'src', `${source}.ts`))) rmSync(join(dist, name));
  }
}

/**
 * Builds the addon for a LibTorch as dist/libtorch/find.js describes it, with the commands of cmake-js. Returns the folder
 * of the files and whether the CUDA plugin was built: "yes (architectures)" or "no (reason)"; likewise the JPEG decoder.
 * `progress` is told how many percent of the build are done.
 */
export async function buildNative(
  libtorch,
  { cuda = 'AUTO', 'cuda-archs': archs, clean = false, verbose = false, target, progress } = {},
) {
  if (!['AUTO', 'ON', 'OFF'].includes(cuda)) throw new StepError(`--cuda ${cuda} is not known`, 'give AUTO, ON or OFF');
  const { CXX, CC, CUDACXX, CXXFLAGS = '' } = process.env;
  requireTool(
    'cmake',
    'CMake 3.18 or newer',
    "install your distribution's package cmake, or `python3 -m pip install cmake`",
  );
  requireTool(CXX ?? 'c++', 'a C++20 compiler', 'install g++ 11 or newer or clang 14 or newer, or set CXX and CC');
  const folder = join(root, 'build', libtorch.id);
  const out = join(folder, 'build');
  // CMake keeps to the compilers with which a folder was made.
  const compilers = [CC, CXX, CUDACXX].map((name) => name ?? '').join('|');
  if (clean || (cachedIn(out, 'EB_COMPILERS') ?? '||') !== compilers) rmSync(folder, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  // CMake refuses a folder that was made for sources elsewhere, as in a clone that has been moved.
  if (cachedIn(out, 'CMAKE_HOME_DIRECTORY') !== root) rmSync(join(out, 'CMakeCache.txt'), { force: true });

  const system = new (require('cmake-js').BuildSystem)({
    directory: root,
    out,
    noLog: true,
    // CMake refuses another generator than the one a folder was made with.
    generator: cachedIn(out, 'CMAKE_GENERATOR'),
    // Unless it is given both, cmake-js demands that g++ or clang++ is on PATH.
    ...(CXX && CC && { cppCompilerPath: CXX, cCompilerPath: CC }),
    cMakeOptions: { LIBTORCH_ROOT: libtorch.root, EB_CUDA: cuda, ...(archs && { EB_CUDA_ARCHS: archs }) },
    parallel: jobs(),
    target,
  });
  const [cmake, ...configure] = await system.getConfigureCommand();
  // Forgets the results of another LibTorch in this folder. cmake-js sets the flags, which hides CXXFLAGS.
  configure.push('-Ueb_cuda_*', '-Ueb_jpeg_*', `-DCMAKE_CXX_FLAGS=${CXXFLAGS}`);
  configure.push(`-DEB_COMPILERS:INTERNAL=${compilers}`);
  const said = await follow(cmake, configure, 'CMake could not configure the native build', { cwd: out });
  if (verbose) process.stderr.write(said);
  const [, ...build] = await system.getBuildCommand();
  await follow(cmake, build, 'the native sources do not compile', { verbose, onLine: percentTo(progress) });
  const release = join(out, 'Release');
  /** What CMake says of a plugin. One that is not built any more would still be loaded from an earlier build. */
  const outcome = (part, file) => {
    const text = said.match(new RegExp(`${part}: (.*)`))?.[1];
    if (text?.startsWith('no ')) rmSync(join(release, file), { force: true });
    return text;
  };
  return {
    folder: release,
    cuda: outcome('CUDA plugin', 'earlybird_cuda.so'),
    jpeg: outcome('JPEG decoder', 'earlybird_jpeg.so'),
  };
}

/** An entry of CMake's cache. */
function cachedIn(folder, name) {
  const cache = join(folder, 'CMakeCache.txt');
  if (!existsSync(cache)) return undefined;
  return readFileSync(cache, 'utf8').match(new RegExp(`^${name}:INTERNAL=(.*)$`, 'm'))?.[1];
}

/** Ninja begins its lines with "[12/64]", Make with "[ 19%]". */
function percentTo(progress = () => {}) {
  return (line) => {
    const [, done, all, percent] = line.match(/^\[\s*(?:(\d+)\/(\d+)|(\d+)%)\]/) ?? [];
    if (all ?? percent) progress(Number(percent ?? Math.floor((100 * done) / all)));
  };
}

/**
 * One compiler a core, as far as memory goes: a translation unit takes up to `bytes`. Both are those of the container,
 * where there is one.
 */
export function jobs(bytes = 2e9) {
  const compiled = join(root, 'dist', 'cores.js');
  const cores = existsSync(compiled) ? require(compiled).availableCores().usable : os.availableParallelism();
  const memory = Math.min(os.freemem(), process.availableMemory?.() ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(cores, Math.floor(memory / bytes)));
}

function requireTool(name, what, remedy) {
  if (spawnSync(name, ['--version']).status !== 0) throw new StepError(`${what} was not found (${name})`, remedy);
}

/** Runs a command and returns its output, which is shown only when it fails. */
export function run(command, args, failure, { cwd = root, remedy } = {}) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status !== 0) throw failed([command, ...args], failure, { remedy, ...result });
  return result.stdout;
}

/**
 * Runs a command while other things go on, such as the display of progress; its lines are read as they come. Returns its output,
 * which is shown when it fails, or always when verbose.
 */
export function follow(command, args, failure, { cwd = root, remedy, verbose = false, onLine = () => {} } = {}) {
  // NINJA_STATUS could hide what is left to do.
  const env = { ...process.env, NINJA_STATUS: '[%f/%t] ' };
  const child = spawn(command, args, {
    cwd,
    env,
    stdio: ['ignore', verbose ? 'inherit' : 'pipe', verbose ? 'inherit' : 'pipe'],
  });
  let stdout = '';
  const streams = [child.stdout, child.stderr].filter(Boolean);
  for (const stream of streams) {
    createInterface({ input: stream }).on('line', (line) => {
      stdout += `${line}\n`;
      onLine(line);
    });
  }
  return new Promise((done, reject) => {
    const end = (result) =>
      result.status === 0 ? done(stdout) : reject(failed([command, ...args], failure, { remedy, stdout, ...result }));
    child.on('error', (error) => end({ error }));
    child.on('close', (status, signal) => end({ status, signal }));
  });
}

/** The error of a command that failed; shows the end of its output. */
function failed(command, failure, { remedy, status, signal, error, stdout, stderr }) {
  const output = `${stdout ?? ''}${stderr ?? ''}`.trim();
  if (output) process.stderr.write(`\n${output.split('\n').slice(-60).join('\n')}\n`);
  if (signal === 'SIGKILL' || /Killed signal|Cannot allocate memory/.test(output)) {
    return new StepError(
      `${failure}: memory ran out`,
      'free some memory (a compiler takes up to 2 GB) and run this again',
    );
  }
  return new StepError(
    `${failure} (${error?.message ?? `it ended with ${status ?? signal}`})`,
    remedy ?? `read the output above; the command was: ${command.join(' ')}`,
  );
}

/**
 * Says that something goes on and how long it has taken: behind its head on a terminal, else in lines that come ever
 * more seldom. The caller can note progress.
 */
export function heartbeat(head = '', indent = '') {
  const { isTTY } = process.stderr;
  const start = Date.now();
  let known = '';
  let next = 5;
  const timer = setInterval(() => {
    const seconds = Math.floor((Date.now() - start) / 1000);
    if (isTTY) process.stderr.write(`\r${head}${known}${seconds} s\x1b[K`);
    else if (seconds >= next) {
      next *= 2;
      process.stderr.write(`${seconds} s\n${indent}`);
    }
  }, 1000);
  return {
    head,
    note: (text) => {
      known = text;
    },
    stop() {
      clearInterval(timer);
      if (isTTY) process.stderr.write('\r\x1b[K');
    },
  };
}

/** Shows how far a build is: behind `head` in a line of the terminal, left empty at the end; else in a line at every tenth. */
export function showProgress(head = '', indent = '') {
  let shown = -1;
  const { isTTY } = process.stderr;
  return (percent) => {
    const step = isTTY ? percent : percent - (percent % 10);
    if (step === shown) return;
    shown = step;
    const text = `compiling, ${step}%`;
    process.stderr.write(isTTY ? `\r${head}${step === 100 ? '' : text}\x1b[K` : `${text}\n${indent}`);
  };
}

async function main() {
  const { values } = util.parseArgs({
    options: {
      cuda: { type: 'string', default: 'AUTO' },
      'cuda-archs': { type: 'string' },
      libtorch: { type: 'string' },
      clean: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      'native-only': { type: 'boolean', default: false },
      'ts-only': { type: 'boolean', default: false },
      target: { type: 'string' },
    },
  });
  if (!values['native-only'] || !existsSync(join(root, 'dist', 'libtorch', 'find.js'))) await buildTypeScript();
  if (values['ts-only']) return;
  if (values.libtorch) process.env.LIBTORCH = resolve(values.libtorch);
  const { findLibTorch } = require('../dist/libtorch/find.js');
  const { folder, cuda, jpeg } = await buildNative(findLibTorch(), { ...values, progress: showProgress() });
  process.stdout.write(`built ${folder}; CUDA plugin: ${cuda}; JPEG decoder: ${jpeg}\n`);
}

/** Runs a script's main function; a failure gives its cause and remedy instead of a stack, and exit code 1. */
export async function reportFailure(name, main) {
  try {
    await main();
  } catch (error) {
    const detail = error.detail ? `${error.detail}\n` : '';
    const remedy = error.remedy ? `\n  remedy: ${error.remedy}` : '';
    process.stderr.write(`${detail}${name}: ${error.message}${remedy}\n`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) reportFailure('build', main);
