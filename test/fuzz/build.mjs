// Builds a C++ target of the fuzzer, with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, into build/fuzz/. It needs clang
// and no LibTorch: a target names the few sources that it needs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const here = import.meta.dirname;
const root = resolve(here, '../..');
export const built = join(root, 'build', 'fuzz');
const COMPILERS = [process.env.CLANGXX, 'clang++', ...[20, 19, 18, 17, 16, 15, 14].map((n) => `clang++-${n}`)];
const FLAGS = ['-g1', '-O1', '-fno-omit-frame-pointer', '-ffp-contract=off', `-I${join(root, 'cpp')}`];
const CHECKS = ['-fsanitize=address,undefined,float-cast-overflow', '-fno-sanitize-recover=all'];
const PLUGIN = join(built, 'jpeg.so');

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}\n${error?.message ?? stdout + stderr}`);
}

/** A clang++ that has libFuzzer, or the reason why there is none. */
export function findClang() {
  const found = COMPILERS.find((name) => name && spawnSync(name, ['--version']).status === 0);
  if (!found) return { why: 'there is no clang++ (set CLANGXX)' };
  mkdirSync(built, { recursive: true });
  const args = ['-fsanitize=fuzzer', '-x', 'c++', '-', '-o', join(built, 'try')];
  const input =
    '#include <cstdint>\n#include <cstddef>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }';
  if (spawnSync(found, args, { input }).status !== 0) return { why: `${found} has no libFuzzer (libclang-rt-dev)` };
  if (!existsSync('/usr/include/jpeglib.h')) return { why: 'libjpeg-turbo was not found' };
  return { clang: found };
}

/** The decoder that targets of images load, as the training loader does. */
function buildPlugin(clang) {
  const sources = ['jpeg_plugin.c', 'packed.c', 'ppm.c'].map((name) => join(root, 'cpp/jpeg', name));
  const shared = ['-shared', '-fPIC', '-x', 'c', ...FLAGS, ...CHECKS, '-fsanitize=fuzzer-no-link'];
  run(clang.replace('clang++', 'clang'), [...shared, ...sources, '-o', PLUGIN, '-ljpeg']);
}

/** Compiles a file, through ccache where the native build uses it. */
function compile(clang, source) {
  const object = join(built, `${relative(root, source).replaceAll('/', '-')}.o`);
  const launcher = process.env.CMAKE_CXX_COMPILER_LAUNCHER;
  const args = ['-std=c++20', ...FLAGS, ...CHECKS, '-fsanitize=fuzzer-no-link', `-DEB_FUZZ_PLUGIN="${PLUGIN}"`];
  const command = [launcher, clang, ...args, '-c', source, '-o', object].filter(Boolean);
  run(command[0], command.slice(1));
  return object;
}

/** Builds targets, by name; returns their programs. */
export function buildTargets(clang, names) {
  buildPlugin(clang);
  const objects = new Map();
  const objectOf = (source) => {
    if (!objects.has(source)) objects.set(source, compile(clang, source));
    return objects.get(source);
  };
  return names.map((name) => {
    const source = join(here, 'cpp', `${name}.cpp`);
    const [, folder, list] = readFileSync(source, 'utf8').match(/^\/\/ sources: ([a-z/]*)\{([\w,]+)\}\.cpp$/m);
    const parts = list.split(',').map((part) => join(root, 'cpp', folder, `${part}.cpp`));
    const program = join(built, name);
    // The plugin is linked, so that the fuzzer knows its code from the beginning.
    const libraries = ['-Wl,--no-as-needed', PLUGIN, '-lz', '-ldl'];
    run(clang, [...CHECKS, '-fsanitize=fuzzer', ...[source, ...parts].map(objectOf), '-o', program, ...libraries]);
    return program;
  });
}
