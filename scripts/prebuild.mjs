#!/usr/bin/env node
// Makes prebuilds/: the addon for each LibTorch given, stripped, tried out, and described in manifest.json.
//   node scripts/prebuild.mjs [--libtorch DIR]... [--cuda AUTO|ON|OFF] [--partial]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { buildNative, buildTypeScript, reportFailure, root, run, StepError } from './build.mjs';
import { carryDecoder } from './jpeg.mjs';

const require = createRequire(import.meta.url);
const target = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const manifestPath = join(target, 'manifest.json');

function main() {
  const { values } = util.parseArgs({
    options: {
      libtorch: { type: 'string', multiple: true },
      cuda: { type: 'string', default: 'AUTO' },
      partial: { type: 'boolean', default: false },
    },
  });
  buildTypeScript();
  const { describeLibTorch, findLibTorch } = require('../dist/libtorch/find.js');
  const libtorches = values.libtorch?.map((folder) => describeLibTorch(folder) ?? notOne(folder)) ?? [findLibTorch()];
  const builds = existsSync(manifestPath) ? JSON.parse(readFileSync(manifestPath, 'utf8')).builds : {};
  for (const libtorch of libtorches) {
    builds[libtorch.id] = makeBuild(libtorch, values);
    process.stdout.write(`${libtorch.id}: ${JSON.stringify(builds[libtorch.id], null, 2)}\n`);
    writeFileSync(
      manifestPath,
      `${JSON.stringify({ platform: process.platform, arch: process.arch, builds }, null, 2)}\n`,
    );
  }
  const decoder = carryDecoder(join(target, 'jpeg'));
  process.stdout.write(`JPEG decoder: ${decoder.join(', ') || 'none was built here'}\n`);
  refuseGaps(builds, values.partial);
}

function notOne(folder) {
  throw new StepError(
    `${folder} is no LibTorch`,
    'give a folder that holds lib/libtorch_cpu.so, or one with torch/ in it',
  );
}

function makeBuild(libtorch, { cuda }) {
  const built = buildNative(libtorch, { cuda });
  const folder = join(target, libtorch.id);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = readdirSync(built.folder)
    // The JPEG decoder does for every LibTorch: it has a folder of its own.
    .filter((name) => /^earlybird.*\.(node|so)$/.test(name) && name !== 'earlybird_jpeg.so')
    .sort();
  for (const name of names) {
    copyFileSync(join(built.folder, name), join(folder, name));
    run('strip', ['--strip-unneeded', join(folder, name)], `${name} could not be stripped`);
  }
  tryOut(libtorch, folder);
  return {
    builtAgainst: libtorch.version,
    cuda: built.cuda,
    glibc: newest(folder, names, 'GLIBC'),
    libstdcxx: newest(folder, names, 'GLIBCXX'),
    compiler: run(process.env.CXX ?? 'c++', ['--version'], 'the compiler does not name itself').split('\n')[0],
    files: Object.fromEntries(names.map((name) => [name, describeFile(join(folder, name))])),
  };
}

/** The stripped files must load, in a process of their own, with the LibTorch they were made for. */
function tryOut(libtorch, folder) {
  const script = 'const a = require(process.argv[1]).loadAddon(); console.log(a.builtAgainst, a.loaded)';
  const env = { ...process.env, LIBTORCH: libtorch.root, EARLYBIRD_ADDON: join(folder, 'earlybird.node') };
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script, join(root, 'dist/native/addon.js')], {
    env,
    encoding: 'utf8',
  });
  if (status !== 0)
    throw new StepError(
      `the addon for ${libtorch.id} does not load (${signal ?? status})\n${stderr}`,
      'repair the build',
    );
}

/** The newest symbol version that the files ask of a system library: the floor of what they run with. */
function newest(folder, names, prefix) {
  const symbols = names.map((name) => run('objdump', ['-T', join(folder, name)], 'objdump failed')).join('');
  const versions = Array.from(symbols.matchAll(new RegExp(`\\b${prefix}_([\\d.]+)`, 'g')), ([, version]) => version);
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? null;
}

function describeFile(path) {
  return { bytes: statSync(path).size, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

/** A release ships a build for every LibTorch that `earlybird libtorch fetch` can bring, the CUDA one with its plugin. */
function refuseGaps(builds, partial) {
  const pinned = JSON.parse(readFileSync(join(root, 'scripts/libtorch.json'), 'utf8'));
  const gaps = Object.entries(pinned).filter(([variant, version]) => {
    const minor = `torch${version.split('.').slice(0, 2).join('.')}-`;
    return !Object.entries(builds).some(
      ([id, { files }]) =>
        id.startsWith(minor) && (variant === 'cpu' ? id === `${minor}cpu` : 'earlybird_cuda.so' in files),
    );
  });
  if (gaps.length === 0 || partial) return;
  const missing = gaps.map(([variant, version]) => `LibTorch ${version} (${variant})`).join(' and ');
  throw new StepError(
    `there is no build for ${missing}`,
    'give that LibTorch with --libtorch DIR too, or say --partial',
  );
}

reportFailure('prebuild', main);
