#!/usr/bin/env node
// Makes a fresh clone ready: npm packages, TypeScript, LibTorch, the native addon. One line a step; a step with nothing to do is
// skipped, so that a second run takes a moment. Uses nothing but Node itself until the packages are there.
//   node scripts/setup.mjs [--cuda AUTO|ON|OFF] [--verbose]
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { buildNative, buildTypeScript, root, run, StepError } from './build.mjs';

const require = createRequire(import.meta.url);

const STEPS = [
  { name: 'machine', work: checkMachine },
  { name: 'npm packages', work: installPackages },
  { name: 'TypeScript', work: compileTypeScript },
  { name: 'LibTorch', work: provideLibTorch },
  { name: 'native addon', work: compileAddon },
];

function checkMachine() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new StepError(
      `Node 20 or newer is needed, this is ${process.version}`,
      'install a newer Node and run this again',
    );
  }
  if (process.platform !== 'linux') {
    throw new StepError(
      `earlybird runs on Linux only, this is ${process.platform}`,
      'use a Linux machine, a container or WSL 2',
    );
  }
  return `Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

function installPackages() {
  const wanted = readJson('package-lock.json').packages;
  const installed = existsSync(join(root, 'node_modules/.package-lock.json'))
    ? readJson('node_modules/.package-lock.json').packages
    : {};
  const missing = Object.keys(wanted).filter(
    (path) => path && !wanted[path].optional && installed[path]?.version !== wanted[path].version,
  );
  if (missing.length === 0) return 'up to date';
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  // Not `npm ci`: it refuses a lock file made where the registry does not carry the optional packages of other platforms.
  const install = [...npm.slice(1), 'install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline'];
  run(npm[0], install, 'npm could not install the packages of package-lock.json', {
    remedy:
      'check the network, proxy and registry settings of npm (the output above names the package), then run this again',
  });
  return `installed (${missing.length} were missing or of another version)`;
}

function compileTypeScript() {
  return (
    ifChanged('dist/.inputs', [...files('src'), 'tsconfig.json', 'package-lock.json'], '', buildTypeScript) ??
    'up to date'
  );
}

async function provideLibTorch() {
  const { searchLibTorch, unsupported } = require('../dist/native/libtorch.js');
  let { found } = searchLibTorch();
  let how = '';
  if (!found) {
    await fetchLibTorch();
    found = searchLibTorch().found;
    how = 'fetched; ';
  }
  const reason = unsupported(found);
  if (reason)
    throw new StepError(reason, 'point LIBTORCH at a supported one, or unset it and run this again to fetch one');
  return `${how}${found.version} (${found.variant}), by ${found.source}: ${found.root}`;
}

/** The CPU build is small, but not every package index has it; the CUDA build brings several gigabytes of libraries with it. */
async function fetchLibTorch() {
  const { fetchByPip } = require('../dist/native/fetch-libtorch.js');
  try {
    return await fetchByPip({ variant: 'cpu', log: say });
  } catch (error) {
    if (error.code !== 'ERR_DOWNLOAD') throw error;
    say("there is no CPU build in pip's package index: fetching the CUDA build (about 3 GB) instead");
    return fetchByPip({ variant: 'cuda', log: say }).catch((second) => {
      throw Object.assign(error, {
        detail: `${error.detail}\nand the CUDA build: ${second.message}\n${second.detail ?? ''}`,
      });
    });
  }
}

function compileAddon() {
  const libtorch = require('../dist/native/libtorch.js').findLibTorch();
  const sources = [...files('cpp'), ...files('binding'), ...files('cmake'), 'CMakeLists.txt', 'package-lock.json'];
  const torch = `${libtorch.root} ${stamp(join(libtorch.root, 'lib/libtorch_cpu.so'))} ${options.cuda}`;
  const folder = join('build', libtorch.id);
  const addon = join(root, folder, 'earlybird.node');
  const built = ifChanged(join(folder, '.inputs'), sources, `${torch} ${existsSync(addon)}`, () => {
    const { cuda } = buildNative(libtorch, options);
    return `${folder}; CUDA plugin: ${cuda}`;
  });
  return built ?? `up to date (${folder})`;
}

/**
 * Does the work unless the files and `more` are as they were after the last time it succeeded, which the file `record` says. Names,
 * sizes and times are compared, not contents: that takes milliseconds.
 */
function ifChanged(record, paths, more, work) {
  const path = join(root, record);
  const state = () =>
    createHash('sha256')
      .update(`${more}\n${paths.map((file) => `${file} ${stamp(join(root, file))}`).join('\n')}`)
      .digest('hex');
  const before = state();
  if (existsSync(path) && readFileSync(path, 'utf8') === before) return null;
  const start = Date.now();
  const said = work();
  writeFileSync(path, before);
  return `built in ${((Date.now() - start) / 1000).toFixed(1)} s${said ? ` (${said})` : ''}`;
}

function stamp(path) {
  if (!existsSync(path)) return 'absent';
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs} ${size}`;
}

function files(folder) {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort();
}

function readJson(path) {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

/** Something to know while a step goes on. */
function say(text) {
  process.stderr.write(`${text}\n      `);
}

const { values: options } = util.parseArgs({
  options: { cuda: { type: 'string', default: 'AUTO' }, verbose: { type: 'boolean', default: false } },
});
for (const [index, { name, work }] of STEPS.entries()) {
  process.stderr.write(`[${index + 1}/${STEPS.length}] ${name}: `);
  try {
    process.stderr.write(`${await work()}\n`);
  } catch (error) {
    const detail = error.detail ? `\n${error.detail}` : '';
    const remedy = error.remedy ?? 'as the cause says, then run this again';
    process.stderr.write(`FAILED${detail}\n  step:   ${name}\n  cause:  ${error.message}\n  remedy: ${remedy}\n`);
    process.exit(1);
  }
}
