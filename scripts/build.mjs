#!/usr/bin/env node
// Builds dist/ (TypeScript) and build/<LibTorch id>/ (the addon). Every step of it can be run again at any time.
//   node scripts/build.mjs [--cuda AUTO|ON|OFF] [--libtorch DIR] [--clean] [--native-only | --ts-only] [--verbose]
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

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

/** Builds the addon for a LibTorch as dist/native/libtorch.js describes it. Returns the build folder. */
export function buildNative(libtorch, { cuda = 'AUTO', clean = false, verbose = false } = {}) {
  if (process.platform !== 'linux') {
    throw new StepError(
      `earlybird runs on Linux only, this is ${process.platform}`,
      'use a Linux machine, a container or WSL 2',
    );
  }
  const cmake = tool(
    'cmake',
    'CMake 3.18 or newer',
    'install it from your distribution (package cmake), or `python3 -m pip install cmake`',
  );
  tool(process.env.CXX ?? 'c++', 'a C++20 compiler', 'install g++ 11 or newer, or clang 14 or newer, or set CXX');
  const folder = join(root, 'build', libtorch.id);
  if (clean) rmSync(folder, { recursive: true, force: true });

  const ninja = spawnSync('ninja', ['--version']).status === 0;
  const headers = [
    join(dirname(require.resolve('node-api-headers/package.json')), 'include'),
    dirname(require.resolve('node-addon-api/package.json')),
  ];
  const configure = ['-S', root, '-B', folder, `-DLIBTORCH_ROOT=${libtorch.root}`, `-DEB_CUDA=${cuda}`];
  configure.push(`-DEB_NODE_INCLUDE_DIRS=${headers.join(';')}`);
  const generator = existsSync(join(folder, 'CMakeCache.txt')) ? [] : ['-G', ninja ? 'Ninja' : 'Unix Makefiles'];
  run(cmake, [...configure, ...generator], 'CMake could not configure the native build', verbose);
  run(cmake, ['--build', folder, '-j', String(jobs())], 'the native sources do not compile', verbose);
  return folder;
}

/** One compiler a core, as far as memory goes: a LibTorch translation unit takes up to 1.5 GB. */
function jobs() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 1.5e9)));
}

function tool(name, what, remedy) {
  if (spawnSync(name, ['--version']).status !== 0) throw new StepError(`${what} was not found (${name})`, remedy);
  return name;
}

/** Runs a command; its output is shown only when it fails, or always when verbose. */
export function run(command, args, failure, verbose = false) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: verbose ? 'inherit' : 'pipe',
  });
  if (status === 0) return stdout ?? '';
  const output = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n');
  const killed = signal === 'SIGKILL' ? 'it was killed, most likely for want of memory' : '';
  process.stderr.write(`${output.slice(-60).join('\n')}\n`);
  throw new StepError(
    `${failure} (${error?.message ?? (killed || `exit code ${status ?? signal}`)})`,
    `read the output above; the command was: ${[command, ...args].join(' ')}`,
  );
}

function main() {
  const { values } = parseArgs({
    options: {
      cuda: { type: 'string', default: 'AUTO' },
      libtorch: { type: 'string' },
      clean: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      'native-only': { type: 'boolean', default: false },
      'ts-only': { type: 'boolean', default: false },
    },
  });
  if (!['AUTO', 'ON', 'OFF'].includes(values.cuda)) throw new StepError('--cuda takes AUTO, ON or OFF', 'correct it');
  if (!values['native-only'] || !existsSync(join(root, 'dist', 'native', 'libtorch.js'))) buildTypeScript();
  if (values['ts-only']) return;
  if (values.libtorch) process.env.LIBTORCH = resolve(values.libtorch);
  const { findLibTorch } = require('../dist/native/libtorch.js');
  const folder = buildNative(findLibTorch(), values);
  process.stdout.write(`built ${folder}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    const remedy = error.remedy ? `\n  remedy: ${error.remedy}` : '';
    const detail = error.detail ? `\n${error.detail}` : '';
    process.stderr.write(`build: ${error.message}${remedy}${detail}\n`);
    process.exitCode = 1;
  }
}
