#!/usr/bin/env node
// Builds dist/ (TypeScript) and build/<LibTorch id>/ (the addon). Every step of it can be run again at any time.
//   node scripts/build.mjs [--cuda AUTO|ON|OFF] [--cuda-archs LIST] [--libtorch DIR] [--clean] [--native-only | --ts-only] [--target NAME] [--verbose]
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
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

export function buildTypeScript() {
  if (!existsSync(join(root, 'tsconfig.json'))) return;
  run(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', root], 'the TypeScript sources do not compile');
}

/**
 * Builds the addon for a LibTorch as dist/libtorch/find.js describes it. Says into which folder, and whether the CUDA plugin
 * was built: "yes (architectures)" or "no (reason)"; and likewise the JPEG decoder.
 */
export function buildNative(
  libtorch,
  { cuda = 'AUTO', 'cuda-archs': archs, clean = false, verbose = false, target } = {},
) {
  if (!['AUTO', 'ON', 'OFF'].includes(cuda)) throw new StepError(`--cuda ${cuda} is not known`, 'give AUTO, ON or OFF');
  requireTool(
    'cmake',
    'CMake 3.18 or newer',
    "install your distribution's package cmake, or `python3 -m pip install cmake`",
  );
  requireTool(process.env.CXX ?? 'c++', 'a C++20 compiler', 'install g++ 11 or newer or clang 14 or newer, or set CXX');
  const folder = join(root, 'build', libtorch.id);
  if (clean) rmSync(folder, { recursive: true, force: true });

  const headers = [
    join(dirname(require.resolve('node-api-headers/package.json')), 'include'),
    dirname(require.resolve('node-addon-api/package.json')),
  ];
  const definitions = [
    `LIBTORCH_ROOT=${libtorch.root}`,
    `EB_CUDA=${cuda}`,
    `EB_NODE_INCLUDE_DIRS=${headers.join(';')}`,
  ];
  if (archs) definitions.push(`EB_CUDA_ARCHS=${archs}`);
  const configure = ['-S', root, '-B', folder, ...definitions.map((definition) => `-D${definition}`)];
  // What was found for another LibTorch in this folder is forgotten.
  configure.push('-ULibTorch_*', '-Ueb_cuda_*', '-Ueb_jpeg_*');
  if (!existsSync(join(folder, 'CMakeCache.txt'))) {
    configure.push('-G', spawnSync('ninja', ['--version']).status === 0 ? 'Ninja' : 'Unix Makefiles');
  }
  const said = run('cmake', configure, 'CMake could not configure the native build');
  if (verbose) process.stderr.write(said);
  const parts = target ? ['--target', target] : [];
  run('cmake', ['--build', folder, '-j', String(jobs()), ...parts], 'the native sources do not compile', { verbose });
  return { folder, cuda: said.match(/CUDA plugin: (.*)/)?.[1], jpeg: said.match(/JPEG decoder: (.*)/)?.[1] };
}

/** One compiler a core, as far as memory goes: a LibTorch translation unit takes up to 1.5 GB. */
function jobs() {
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(os.freemem() / 1.5e9)));
}

function requireTool(name, what, remedy) {
  if (spawnSync(name, ['--version']).status !== 0) throw new StepError(`${what} was not found (${name})`, remedy);
}

/** Runs a command and returns its output, which is shown only when it fails, or always, as it comes, when verbose. */
export function run(command, args, failure, { verbose = false, remedy } = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: verbose ? 'inherit' : 'pipe',
  });
  if (status === 0) return stdout ?? '';
  const output = `${stdout ?? ''}${stderr ?? ''}`.trim();
  if (output) process.stderr.write(`\n${output.split('\n').slice(-60).join('\n')}\n`);
  if (signal === 'SIGKILL' || /Killed signal|Cannot allocate memory/.test(output)) {
    throw new StepError(
      `${failure}: memory ran out`,
      'free some memory (a compiler takes up to 1.5 GB) and run this again',
    );
  }
  throw new StepError(
    `${failure} (${error?.message ?? `it ended with ${status ?? signal}`})`,
    remedy ?? `read the output above; the command was: ${[command, ...args].join(' ')}`,
  );
}

function main() {
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
  if (!values['native-only'] || !existsSync(join(root, 'dist', 'libtorch', 'find.js'))) buildTypeScript();
  if (values['ts-only']) return;
  if (values.libtorch) process.env.LIBTORCH = resolve(values.libtorch);
  const { findLibTorch } = require('../dist/libtorch/find.js');
  const { folder, cuda, jpeg } = buildNative(findLibTorch(), values);
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
