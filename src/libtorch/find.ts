/**
 * Finds the LibTorch of this machine without loading it: `LIBTORCH`, the configuration file, `.libtorch/`, the torch of
 * python3. Imports no packages, because scripts/setup.mjs runs it before they are installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EarlybirdError } from '../errors';
import { cacheFolder, isClone, packageRoot, programCommand } from '../package';
import { configPath, readConfig } from './config';

type LibTorchSource = 'LIBTORCH' | 'config' | '.libtorch' | 'python3';

export interface LibTorch {
  /** Absolute path of the folder that holds include/ and lib/. */
  root: string;
  /** Version, for example "2.13.0". */
  version: string;
  /** Variant: "cpu", or "cu13" for CUDA 13. */
  variant: string;
  /** Minor version and variant that an addon is built for: "torch2.13-cpu". */
  id: string;
}

export interface FoundLibTorch extends LibTorch {
  source: LibTorchSource;
}

/** A place without a usable LibTorch. */
interface Attempt {
  source: LibTorchSource;
  /** Path of the place, or the reason why there is none. */
  where: string;
  /** Reason why it was not used. */
  why: string;
}

/** Oldest and newest supported minor version of LibTorch 2. */
const SUPPORTED = { oldest: 11, newest: 14 };

/** Folder in which `earlybird libtorch fetch` puts a LibTorch: beside package.json in a clone, else in the user's cache. */
export function libtorchFolder(): string {
  return isClone() ? join(packageRoot, '.libtorch') : join(cacheFolder(), 'libtorch');
}

/** The LibTorch in a folder: a LibTorch, a site-packages or a virtual environment; null for any other folder. */
export function describeLibTorch(folder: string): LibTorch | null {
  const root = libtorchRoots(folder).find((path) => existsSync(join(path, 'lib', 'libtorch_cpu.so')));
  if (!root) return null;
  const label =
    read(join(root, 'version.py')).match(/__version__ = '([^']+)'/)?.[1] ?? read(join(root, 'build-version')).trim();
  const version = versionFromHeaders(root) ?? label.match(/^\d+\.\d+\.\d+/)?.[0];
  if (!version) return null;
  const variant = existsSync(join(root, 'lib', 'libtorch_cuda.so')) ? cudaVariant(root, label) : 'cpu';
  return { root, version, variant, id: libtorchId(version, variant) };
}

/**
 * The LibTorch that an addon fits: every patch release of a minor version, and every release of a CUDA major version.
 */
export function libtorchId(version: string, variant: string): string {
  return `torch${version.split('.').slice(0, 2).join('.')}-${variant}`;
}

/**
 * The LibTorch to use, or null with the places searched. Throws ERR_LIBTORCH where a place that the user named has
 * none.
 */
export function searchLibTorch(): { found: FoundLibTorch | null; attempts: Attempt[] } {
  const attempts: Attempt[] = [];
  for (const { source, locate } of PLACES) {
    const { folders, absent } = locate();
    for (const folder of folders) {
      const libtorch = describeLibTorch(folder);
      if (libtorch) return { found: { ...libtorch, source }, attempts };
      attempts.push({ source, where: folder, why: 'holds no lib/libtorch_cpu.so with a version' });
    }
    if (folders.length === 0) attempts.push({ source, where: absent, why: 'absent' });
    else if (source === 'LIBTORCH' || source === 'config') throw notALibTorch(source, folders[0]!);
  }
  return { found: null, attempts };
}

/** The LibTorch to use; throws ERR_LIBTORCH with all places and the remedy. */
export function findLibTorch(): FoundLibTorch {
  const { found, attempts } = searchLibTorch();
  if (found) return found;
  const tried = attempts.map(({ source, where, why }) => `  ${source}: ${where}: ${why}`).join('\n');
  throw new EarlybirdError(
    'ERR_LIBTORCH',
    `No LibTorch was found on this machine: run \`${programCommand('libtorch fetch')}\`, or set LIBTORCH to the folder of one you have.`,
    `Looked at, in this order:\n${tried}`,
  );
}

/** Reason why this version of LibTorch is not supported; null where it is. */
export function unsupported({ version, root }: LibTorch): string | null {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  if (major === 2 && minor >= SUPPORTED.oldest && minor <= SUPPORTED.newest) return null;
  return `LibTorch ${version} in ${root} is not supported: earlybird is made for 2.${SUPPORTED.oldest} to 2.${SUPPORTED.newest}.`;
}

const PLACES: { source: LibTorchSource; locate: () => { folders: string[]; absent: string } }[] = [
  {
    source: 'LIBTORCH',
    locate: () => ({ folders: named(process.env.LIBTORCH), absent: 'the environment variable is not set' }),
  },
  {
    source: 'config',
    locate: () => ({ folders: named(readConfig().libtorch), absent: `no "libtorch" in ${configPath()}` }),
  },
  {
    source: '.libtorch',
    locate: () => {
      const folders = [join(packageRoot, '.libtorch'), join(cacheFolder(), 'libtorch')];
      return { folders: folders.filter((folder) => existsSync(folder)), absent: folders.join(' and ') };
    },
  },
  {
    source: 'python3',
    locate: () => ({ folders: named(torchOfPython()), absent: 'python3 is not there or has no torch' }),
  },
];

function named(path: string | undefined): string[] {
  return path ? [resolve(path)] : [];
}

function notALibTorch(source: LibTorchSource, folder: string): EarlybirdError {
  const [name, remedy] =
    source === 'LIBTORCH'
      ? ['LIBTORCH names', 'correct or unset it']
      : [
          `${configPath()} names`,
          `run \`${programCommand('libtorch use DIR')}\` with the right folder, or \`--none\` to forget it`,
        ];
  return new EarlybirdError(
    'ERR_LIBTORCH',
    `${name} ${folder}, which is not a LibTorch (it has no lib/libtorch_cpu.so): ${remedy}.`,
  );
}

/** The folder of torch, found without importing it, which would take seconds. */
function torchOfPython(): string | undefined {
  const question =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  const answer = spawnSync('python3', ['-c', question], {
    encoding: 'utf8',
    timeout: 10_000,
    cwd: '/',
    env: process.env,
  });
  return answer.status === 0 ? answer.stdout.trim() || undefined : undefined;
}

function libtorchRoots(folder: string): string[] {
  const lib = join(folder, 'lib');
  const pythons = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith('python3')) : [];
  return [
    folder,
    join(folder, 'torch'),
    join(folder, 'libtorch'),
    ...pythons.map((python) => join(lib, python, 'site-packages', 'torch')),
  ].map((path) => resolve(path));
}

function versionFromHeaders(root: string): string | null {
  const include = join(root, 'include', 'torch');
  for (const file of ['headeronly/version.h', 'csrc/api/include/torch/version.h']) {
    const text = read(join(include, file));
    const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => text.match(new RegExp(`define TORCH_VERSION_${part} (\\d+)`))?.[1],
    );
    if (numbers.every((number) => number !== undefined)) return numbers.join('.');
  }
  return null;
}

/** The variant by the version's label, where "2.14.1+cu130" is CUDA 13, else by the libraries in the folder. */
function cudaVariant(root: string, label: string): string {
  const digits = label.match(/\+cu(\d+)\d$/)?.[1] ?? read(join(root, 'version.py')).match(/^cuda.*'(\d+)\.\d+'/m)?.[1];
  const library = () => readdirSync(join(root, 'lib')).find((name) => /^libcudart[-.].*so\.\d+/.test(name));
  return `cu${digits ?? library()?.match(/so\.(\d+)/)?.[1] ?? ''}`;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
