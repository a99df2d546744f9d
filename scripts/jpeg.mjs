// libjpeg-turbo: whether it is there to build with, its installation, and its way into a bundle or a release.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { root, run, StepError } from './build.mjs';

const PLUGIN = 'earlybird_jpeg.so';

/**
 * True where a program that decodes parts of JPEG files compiles and links here. CMake finds libjpeg in more places;
 * this test is enough to decide whether to ask.
 */
export function hasLibjpeg() {
  const program = '#include <stdio.h>\n#include <jpeglib.h>\nint main(void) { return jpeg_crop_scanline == 0; }\n';
  const compiler = process.env.CC ?? 'cc';
  return spawnSync(compiler, ['-x', 'c', '-', '-o', '/dev/null', '-ljpeg'], { input: program }).status === 0;
}

/**
 * Runs the install command of the package manager where that needs no password and EARLYBIRD_NO_INSTALL is not set. `say` is told
 * each command before it runs. Returns whether libjpeg-turbo is there afterwards.
 */
export function installLibjpeg(command, say) {
  if (!command || process.env.EARLYBIRD_NO_INSTALL) return false;
  const asRoot = process.getuid() === 0 ? [] : ['sudo', '-n'];
  if (asRoot.length > 0 && spawnSync('sudo', ['-n', 'true']).status !== 0) return false;
  const attempt = (words) => {
    const [program, ...args] = [...asRoot, ...words];
    say(`${[program, ...args].join(' ')}  (changes this system; EARLYBIRD_NO_INSTALL=1 leaves it as it is)`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    return spawnSync(program, args, { env, stdio: 'ignore', timeout: 300_000 }).status === 0;
  };
  // A fresh container has no list of packages yet.
  if (!attempt(command) && command[0] === 'apt-get' && attempt(['apt-get', 'update'])) attempt(command);
  return hasLibjpeg();
}

/**
 * Puts a decoder that was built here into a folder, with its libjpeg, which it finds beside itself: for machines that have neither
 * headers nor library. Returns the names of the files; none where no decoder has been built.
 */
export function carryDecoder(folder) {
  const builds = join(root, 'build');
  const plugin = (existsSync(builds) ? readdirSync(builds) : [])
    .map((id) => join(builds, id, 'build/Release', PLUGIN))
    .find((path) => existsSync(path));
  if (!plugin) return [];
  const library = run('ldd', [plugin], 'ldd failed').match(/(libjpeg\.so\.\d+) => (\S+)/);
  if (!library) throw new StepError(`${plugin} does not find its libjpeg`, 'build it again: node scripts/build.mjs');
  const [, name, path] = library;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(plugin, join(folder, PLUGIN));
  copyFileSync(realpathSync(path), join(folder, name));
  for (const file of [PLUGIN, name]) run('strip', ['--strip-unneeded', join(folder, file)], `${file} was not stripped`);
  writeFileSync(join(folder, 'NOTICE'), notice(name));
  return [PLUGIN, name, 'NOTICE'];
}

/** libjpeg-turbo's licences ask for this: the terms as its package states them, else the acknowledgement and where to read them. */
function notice(name) {
  const packages = ['libjpeg62-turbo', 'libjpeg-turbo8', 'libjpeg-turbo', 'libturbojpeg0'];
  const files = packages.map((package_) => `/usr/share/doc/${package_}/copyright`);
  const stated = files.find((path) => existsSync(path));
  const head =
    `${name} is libjpeg-turbo, copied from the machine this was made on; only its symbols are stripped.\n` +
    'This software is based in part on the work of the Independent JPEG Group.\n' +
    'libjpeg-turbo is covered by the IJG License, the Modified (3-clause) BSD License and the zlib License:\n' +
    'https://github.com/libjpeg-turbo/libjpeg-turbo/blob/main/LICENSE.md\n';
  return stated
    ? `${head}\n--- ${basename(dirname(stated))}: copyright ---\n\n${run('cat', [stated], 'cat failed')}`
    : head;
}
