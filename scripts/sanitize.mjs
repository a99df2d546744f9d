#!/usr/bin/env node
// Builds the C++ tests for sanitizers, in build/sanitize-<which>, and runs them; it stops at the first fault.
//   npm run sanitize -- [address | thread] [TEXT] [--light] [--native]
// address (the default): AddressSanitizer with LeakSanitizer, and UndefinedBehaviorSanitizer. thread: ThreadSanitizer,
// always --light. TEXT: only tests whose name contains it. --light: those that need no LibTorch, which are built in
// a minute. --native: the addon's tests (test/native) instead, with address; TEXT is for Jest.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import { buildTypeScript, follow, heartbeat, jobs, reportFailure, root, run, StepError } from './build.mjs';

const require = createRequire(import.meta.url);
const { CXX = 'c++', CMAKE_BUILD_PARALLEL_LEVEL } = process.env;
const kept = (name) => `suppressions=${join(root, 'test/sanitize', name)}:print_suppressions=0`;

const SANITIZERS = {
  address: {
    ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=0',
    LSAN_OPTIONS: kept('leaks.supp'),
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  },
  thread: { TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:${kept('threads.supp')}` },
};

async function build(folder, which, targets) {
  if (!existsSync(join(root, 'dist/libtorch/find.js'))) await buildTypeScript();
  const { findLibTorch } = require('../dist/libtorch/find.js');
  const settings = [`-DEB_SANITIZE=${which}`, '-DEB_CUDA=OFF', `-DLIBTORCH_ROOT=${findLibTorch().root}`];
  run('cmake', ['-B', folder, ...settings], 'CMake could not configure the build for a sanitizer');
  // A translation unit takes up to 3 GB.
  const parallel = CMAKE_BUILD_PARALLEL_LEVEL ?? jobs(3e9);
  const beat = heartbeat('compiling: ');
  try {
    await follow(
      'cmake',
      ['--build', folder, '-j', String(parallel), '--target', ...targets],
      'the sources do not compile',
    );
  } finally {
    beat.stop();
  }
}

async function main() {
  const { values, positionals } = util.parseArgs({
    allowPositionals: true,
    options: { native: { type: 'boolean', default: false }, light: { type: 'boolean', default: false } },
  });
  const [which, ...texts] = positionals[0] in SANITIZERS ? positionals : ['address', ...positionals];
  if (values.native && which !== 'address')
    throw new StepError('Node.js runs with no sanitizer but address', 'leave out --native');
  const folder = join(root, 'build', `sanitize-${which}`);
  let env = { ...process.env, ...SANITIZERS[which] };
  // LibTorch is not compiled for ThreadSanitizer, which therefore takes what its locks protect for races.
  const light = values.light || which === 'thread';
  const program = light ? 'earlybird_light_tests' : 'earlybird_tests';
  let command = [join(folder, program), ...texts];
  if (values.native) {
    await build(folder, which, ['earlybird', 'earlybird_loader', 'earlybird_jpeg']);
    const preload = run(
      CXX,
      ['-print-file-name=libasan.so'],
      'the compiler does not say where AddressSanitizer is',
    ).trim();
    // Node.js frees little at its end, and tests look at the resident memory, of which what was freed is a part.
    env = {
      ...env,
      ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=8',
      LD_PRELOAD: preload,
      EARLYBIRD_ADDON: join(folder, 'earlybird.node'),
    };
    command = [
      process.execPath,
      join(dirname(require.resolve('jest/package.json')), 'bin/jest.js'),
      '--runInBand',
      // These build programs of their own, which the other form of this command runs.
      ...['--testPathIgnorePatterns', 'cpp.test', 'sanitized.test'],
      ...['--testPathPatterns', ...(texts.length ? texts : ['test/native'])],
    ];
  } else await build(folder, which, [program]);
  const { status, signal } = spawnSync(command[0], command.slice(1), { cwd: root, env, stdio: 'inherit' });
  if (status !== 0) throw new StepError(`a test failed (${status ?? signal})`, 'read the output above');
}

reportFailure('sanitize', main);
