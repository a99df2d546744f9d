#!/usr/bin/env node
// Makes prebuilds/: the addon for each LibTorch given, stripped, tried out, and described in a manifest.json beside it. Names are
// those of prebuildify, inside the folder of a LibTorch: node-gyp-build reads them.
//   node scripts/prebuild.mjs [--libtorch DIR]... [--cuda AUTO|ON|OFF] [--partial]
//   node scripts/prebuild.mjs --list                  says what is there: `npm pack` runs this
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
import { buildNative, buildTypeScript, reportFailure, root, run, StepError, showProgress } from './build.mjs';
import { carryDecoder } from './jpeg.mjs';

const require = createRequire(import.meta.url);
const prebuilds = join(root, 'prebuilds');
const platform = `${process.platform}-${process.arch}`;
const folderOf = (id) => join(prebuilds, id, 'prebuilds', platform);
/** LibTorch needs glibc. An addon over Node-API has no tag of an ABI. */
const ADDON = 'earlybird.glibc.node';

async function main() {
  const { values } = util.parseArgs({
    options: {
      libtorch: { type: 'string', multiple: true },
      cuda: { type: 'string', default: 'AUTO' },
      partial: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) return list();
  await buildTypeScript();
  const { describeLibTorch, findLibTorch } = require('../dist/libtorch/find.js');
  const libtorches = values.libtorch?.map((folder) => describeLibTorch(folder) ?? notOne(folder)) ?? [findLibTorch()];
  for (const libtorch of libtorches) {
    const manifest = JSON.stringify(await makeBuild(libtorch, values), null, 2);
    writeFileSync(join(folderOf(libtorch.id), 'manifest.json'), `${manifest}\n`);
    process.stdout.write(`${libtorch.id}: ${manifest}\n`);
  }
  const decoder = carryDecoder(join(prebuilds, 'jpeg', platform));
  process.stdout.write(`JPEG decoder: ${decoder.join(', ') || 'none was built here'}\n`);
  refuseGaps(values.partial);
}

function notOne(folder) {
  throw new StepError(
    `${folder} is not a LibTorch`,
    'give a folder that holds lib/libtorch_cpu.so, or one with torch/ in it',
  );
}

async function makeBuild(libtorch, { cuda }) {
  const built = await buildNative(libtorch, { cuda, progress: showProgress() });
  const folder = folderOf(libtorch.id);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // One JPEG decoder serves every LibTorch: it has a folder of its own.
  for (const file of readdirSync(built.folder).filter((name) => name !== 'earlybird_jpeg.so')) {
    copyFileSync(join(built.folder, file), join(folder, file === 'earlybird.node' ? ADDON : file));
  }
  const names = readdirSync(folder).sort();
  for (const name of names) run('strip', ['--strip-unneeded', join(folder, name)], `${name} could not be stripped`);
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
  const env = { ...process.env, LIBTORCH: libtorch.root, EARLYBIRD_ADDON: join(folder, ADDON) };
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

function made() {
  return readdirSync(prebuilds).filter((id) => existsSync(join(folderOf(id), ADDON)));
}

function list() {
  const ids = made();
  const none = `warning: no prebuilt addon for ${platform} is packed: whoever installs this package has to build it (CMake, a C++20 compiler, minutes of time); \`npm run prebuild\` makes some`;
  process.stderr.write(ids.length > 0 ? `prebuilt addons for ${platform}: ${ids.join(', ')}\n` : `${none}\n`);
}

/** A release ships a build for every LibTorch that `earlybird libtorch fetch` can bring, the CUDA one with its plugin. */
function refuseGaps(partial) {
  const pinned = JSON.parse(readFileSync(join(root, 'scripts/libtorch.json'), 'utf8'));
  const ids = made();
  const gaps = Object.entries(pinned).filter(([variant, version]) => {
    const minor = `torch${version.split('.').slice(0, 2).join('.')}-`;
    return !ids.some(
      (id) =>
        id.startsWith(minor) &&
        (variant === 'cpu' ? id === `${minor}cpu` : existsSync(join(folderOf(id), 'earlybird_cuda.so'))),
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
