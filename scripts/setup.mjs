#!/usr/bin/env node
// Makes a fresh clone ready: npm packages, TypeScript, LibTorch, the native addon. One line a step; a step with nothing to do is
// skipped, so that a second run takes a moment. Uses nothing but Node itself until the packages are there.
//   node scripts/setup.mjs [--cuda AUTO|ON|OFF] [--verbose]
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { buildNative, buildTypeScript, follow, heartbeat, root, StepError, showProgress } from './build.mjs';
import { hasLibjpeg, installLibjpeg } from './jpeg.mjs';

const require = createRequire(import.meta.url);

const INDENT = ' '.repeat(6);
const STEPS = [
  { name: 'machine', work: checkMachine },
  { name: 'npm packages', work: installPackages },
  { name: 'TypeScript', work: compileTypeScript },
  { name: 'LibTorch', work: provideLibTorch },
  { name: 'libjpeg-turbo', work: provideLibjpeg },
  { name: 'native addon', work: compileAddon },
];

function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new StepError(
      `Node 20.19 or newer is needed, this is ${process.version}`,
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

async function installPackages() {
  const wanted = readJson('package-lock.json').packages;
  const installed = existsSync(join(root, 'node_modules/.package-lock.json'))
    ? readJson('node_modules/.package-lock.json').packages
    : {};
  const missing = Object.keys(wanted).filter(
    (path) => path && !wanted[path].optional && installed[path]?.version !== wanted[path].version,
  );
  if (missing.length === 0) return 'up to date';
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  // `npm ci` would refuse a lock file made where the registry does not carry the optional packages of other platforms.
  const install = [...npm.slice(1), 'install', '--no-save', '--no-audit', '--no-fund', '--prefer-offline'];
  await follow(npm[0], install, 'npm could not install the packages of package-lock.json', {
    remedy:
      'check the network, proxy and registry settings of npm (the output above names the package), then run this again',
  });
  return `installed (${missing.length} were missing or of another version)`;
}

function compileTypeScript() {
  const inputs = { paths: [...files('src'), 'tsconfig.json', 'package-lock.json'] };
  return ifChanged('dist', 'libtorch/find.js', inputs, buildTypeScript);
}

async function provideLibTorch() {
  const { searchLibTorch, unsupported } = require('../dist/libtorch/find.js');
  let { found } = searchLibTorch();
  let how = '';
  // A LibTorch of ours in .libtorch/ comes before an unsuitable one of python3.
  if (!found || (found.source === 'python3' && unsupported(found))) {
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
  const { fetchByPip } = require('../dist/libtorch/fetch.js');
  try {
    return await fetchByPip({ variant: 'cpu', log: say });
  } catch (error) {
    if (error.code !== 'ERR_DOWNLOAD') throw error;
    say("pip's package index gave no CPU build: trying the CUDA build (about 3 GB) instead");
    return fetchByPip({ variant: 'cuda', log: say }).catch((second) => {
      throw Object.assign(error, {
        detail: `${error.detail}\nand the CUDA build: ${second.message}\n${second.detail ?? ''}`,
      });
    });
  }
}

/** Its absence stops nothing, since only training on image files needs it. */
function provideLibjpeg() {
  if (hasLibjpeg()) return 'found';
  const { libjpegCommand, libjpegRemedy } = require('../dist/libtorch/libjpeg.js');
  if (installLibjpeg(libjpegCommand(), say)) return 'installed';
  return `not found; everything works but reading JPEG files (ImageNet). For that: ${libjpegRemedy('npm run setup')}`;
}

function compileAddon({ head, note }) {
  const libtorch = require('../dist/libtorch/find.js').findLibTorch();
  const sources = [...files('cpp'), ...files('binding'), ...files('cmake'), 'CMakeLists.txt', 'package-lock.json'];
  const { CC, CXX, CUDACXX, CXXFLAGS } = process.env;
  const more = JSON.stringify([
    ...[libtorch.root, stamp(join(libtorch.root, 'lib/libtorch_cpu.so')), options.cuda, hasLibjpeg()],
    ...[CC, CXX, CUDACXX, CXXFLAGS],
  ]);
  return ifChanged(join('build', libtorch.id), 'build/Release/earlybird.node', { paths: sources, more }, async () => {
    const show = showProgress(head, INDENT);
    const progress = (percent) => {
      note(`compiling, ${percent}%, `);
      show(percent);
    };
    const { cuda, jpeg } = await buildNative(libtorch, { ...options, progress });
    return `CUDA plugin: ${cuda}; JPEG decoder: ${jpeg}`;
  });
}

/**
 * Does the work unless its result is in the folder and its inputs are as they were when it last succeeded, which `.inputs` beside
 * the result records. Names, sizes and times of files are compared, not contents: that takes milliseconds.
 */
async function ifChanged(folder, result, { paths, more = '' }, work) {
  const record = join(root, folder, '.inputs');
  const stamps = paths.map((path) => `${path} ${stamp(join(root, path))}`);
  const inputs = createHash('sha256')
    .update([more, ...stamps].join('\n'))
    .digest('hex');
  if (existsSync(join(root, folder, result)) && existsSync(record) && readFileSync(record, 'utf8') === inputs) {
    return `up to date (${folder})`;
  }
  const start = Date.now();
  const said = await work();
  writeFileSync(record, inputs);
  return `built ${folder} in ${((Date.now() - start) / 1000).toFixed(1)} s${said ? `; ${said}` : ''}`;
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

/** Prints a remark while a step goes on. */
function say(text) {
  process.stderr.write(`${text}\n${INDENT}`);
}

const { values: options } = util.parseArgs({
  options: { cuda: { type: 'string', default: 'AUTO' }, verbose: { type: 'boolean', default: false } },
});
for (const [index, { name, work }] of STEPS.entries()) {
  const head = `[${index + 1}/${STEPS.length}] ${name}: `;
  process.stderr.write(head);
  // On a terminal, the outcome takes the place of the progress shown until then.
  const again = process.stderr.isTTY ? `\r\x1b[K${head}` : '';
  const beat = heartbeat(head, INDENT);
  try {
    process.stderr.write(`${again}${await work(beat)}\n`);
  } catch (error) {
    const detail = error.detail ? `\n${error.detail}` : '';
    const remedy = error.remedy ?? 'as the cause says, then run this again';
    process.stderr.write(
      `${again}FAILED${detail}\n  step:   ${name}\n  cause:  ${error.message}\n  remedy: ${remedy}\n`,
    );
    process.exit(1);
  } finally {
    beat.stop();
  }
}
