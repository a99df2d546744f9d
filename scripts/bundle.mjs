#!/usr/bin/env node
// Makes one archive for machines without a network: Node, the built TypeScript, the native sources, the run-time packages and the
// JPEG decoder with its library. There it needs a LibTorch, CMake and a compiler: `LIBTORCH=... ./install.sh`, then `./earlybird`.
//   node scripts/bundle.mjs [--out FILE]
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import util from 'node:util';
import { buildTypeScript, reportFailure, root, run, StepError } from './build.mjs';
import { carryDecoder } from './jpeg.mjs';

const LIMIT = 60e6;
const FOLDERS = ['dist', 'bench', 'binding', 'cpp', 'cmake', 'networks', 'scripts'];
const CONTENTS = ['package.json', 'CMakeLists.txt', 'LICENSE', ...FOLDERS];
/** Files that no program reads at run time. */
const BALLAST =
  /\.(map|md|markdown|ts|mts|cts|flow|tsbuildinfo)$|\/(test|tests|__tests__|docs|example|examples|\.github|\.venv|__pycache__)$/;

const INSTALL = `#!/bin/sh
# Builds the native addon for the LibTorch that LIBTORCH names (or that is found). Needs CMake and a C++20 compiler, no network.
# Arguments go to scripts/build.mjs, for example --cuda ON.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/bin/node" "$here/app/scripts/build.mjs" --native-only "$@"
`;

const LAUNCHER = `#!/bin/sh
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
exec "$here/bin/node" "$here/app/dist/cli/main.js" "$@"
`;

async function main() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const name = `earlybird-bundle-${version}-${process.platform}-${process.arch}`;
  const { values } = util.parseArgs({ options: { out: { type: 'string', default: join(root, `${name}.tar.xz`) } } });
  await buildTypeScript();

  const work = mkdtempSync(join(tmpdir(), 'earlybird-bundle-'));
  try {
    const stage = join(work, name);
    for (const path of CONTENTS)
      cpSync(join(root, path), join(stage, 'app', path), { recursive: true, filter: wanted });
    for (const path of runtimePackages())
      cpSync(join(root, path), join(stage, 'app', path), { recursive: true, filter: wanted });
    addDecoder(join(stage, 'app/prebuilds/jpeg', `${process.platform}-${process.arch}`));
    addNode(join(stage, 'bin'));
    addScript(join(stage, 'install.sh'), INSTALL);
    addScript(join(stage, 'earlybird'), LAUNCHER);
    const out = resolve(values.out);
    run(
      'tar',
      ['-C', work, '--owner=0', '--group=0', '--sort=name', '-I', 'xz -6 -T0', '-cf', out, name],
      'tar and xz failed',
    );
    const { size } = statSync(out);
    process.stdout.write(`${out}: ${(size / 1e6).toFixed(1)} MB\n`);
    if (size > LIMIT) throw new StepError(`the bundle is larger than ${LIMIT / 1e6} MB`, 'see what has grown: tar tvf');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The packages of `dependencies` and their own. Packages for other systems are in the lock file, but not installed. */
function runtimePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.keys(packages).filter((path) => path && !packages[path].dev && existsSync(join(root, path)));
}

function wanted(path) {
  return !BALLAST.test(path) && !(path.includes('/node_modules/') && basename(path) === 'node_modules');
}

/** The JPEG decoder needs no LibTorch, so it can come ready-made; where libjpeg-turbo is installed, install.sh builds one as well. */
function addDecoder(folder) {
  if (carryDecoder(folder).length > 0) return;
  process.stderr.write('bundle: no JPEG decoder has been built here, so the bundle carries none (npm run setup)\n');
}

function addNode(folder) {
  const libraries = spawnSync('ldd', [process.execPath], { encoding: 'utf8' }).stdout ?? '';
  if (libraries.includes('libnode')) {
    throw new StepError(
      `${process.execPath} is not a self-contained Node: it needs libnode`,
      'run this with the official build of Node',
    );
  }
  cpSync(process.execPath, join(folder, 'node'), { dereference: true });
  spawnSync('strip', [join(folder, 'node')]);
}

function addScript(path, text) {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

reportFailure('bundle', main);
