/**
 * Loads the native addon once per process: finds LibTorch, opens it by absolute path, then the addon built for it, then
 * the plugins for CUDA and JPEG files. The addon's exports get their type here; test/native/surface.test.ts compares
 * them with it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import * as nodeGypBuild from 'node-gyp-build';
import { availableCores } from '../cores';
import { EarlybirdError } from '../errors';
import { type FoundLibTorch, findLibTorch, libtorchId, unsupported } from '../libtorch/find';
import { buildCommand, cudaRemedy, packageRoot, programCommand } from '../package';
import { jpegPaths, loadJpeg } from './jpeg';
import { settleThreads, spinCount } from './threads';
import type { NativeAddon } from './types/addon';

/** Options of {@link loadAddon}. */
export interface LoadOptions {
  /**
   * "cpu" does not open the CUDA half of LibTorch, which saves start-up time and memory. The choice holds for the whole
   * process.
   */
  device?: string;
}

/** The addon with the export that only the loader uses. */
type RawAddon = NativeAddon & { setErrorClass(errorClass: typeof EarlybirdError): void };
type Loader = { open(path: string): void };

/** Folders beside package.json that hold one folder for each LibTorch: addons built here, and shipped. */
const KINDS = ['build', 'prebuilds'];

let loaded: { addon: NativeAddon; cuda: boolean; libtorch: FoundLibTorch } | undefined;

/**
 * The native engine; the first call loads it. Throws ERR_LIBTORCH without a usable LibTorch, ERR_NOT_BUILT without an addon for it,
 * ERR_DEVICE where CUDA is requested and absent.
 *
 * @example
 * ```ts
 * const addon = loadAddon({ device: 'cpu' });
 * const model = await addon.createModel({ arch: 'vgg', depth: 16, classes: 10, seed: 1, device: 'cpu' });
 * const { value } = await readCheckpoint('model_best.pth.tar');
 * await model.loadStateDict(stateDictOf(value));
 * const [mask] = await model.masks([0.3]);
 * console.log(`${mask.kept} of ${mask.total} channels have a |gamma| above ${mask.threshold}`);
 * model.dispose();
 * ```
 */
export function loadAddon({ device }: LoadOptions = {}): NativeAddon {
  if (!loaded) loaded = load(device);
  if (device?.startsWith('cuda') && !loaded.cuda) throw noCuda(loaded.libtorch);
  return loaded.addon;
}

/** Variant of the loaded LibTorch: "cpu", or "cu13" for CUDA 13; null before it is loaded. */
export const loadedVariant = (): string | null => loaded?.libtorch.variant ?? null;

function load(device: string | undefined) {
  const libtorch = findLibTorch();
  const reason = unsupported(libtorch);
  if (reason) throw new EarlybirdError('ERR_LIBTORCH', reason);
  const path = addonPath(libtorch);
  const cuda = libtorch.variant !== 'cpu' && device !== 'cpu';

  // LibTorch's profiler reads this when it begins; without it every profile logs to stderr.
  process.env.KINETO_LOG_LEVEL ??= '6';

  // libgomp and the addon (core/affinity.cpp) read this when they are loaded. In a worker thread only a copy of the
  // environment changes: set the variable for the process there.
  const spins = process.env.OMP_WAIT_POLICY === undefined ? spinCount(availableCores()) : undefined;
  const addon = withDefault('GOMP_SPINCOUNT', spins, () => {
    const loader = openLoader(join(dirname(path), 'earlybird_loader.so'), libtorch);
    for (const name of cuda ? ['libc10.so', 'libtorch_cpu.so', 'libtorch.so'] : ['libc10.so', 'libtorch_cpu.so']) {
      openLibrary(loader, join(libtorch.root, 'lib', name), libtorch);
    }
    return requireNative<RawAddon>(path, libtorch);
  });
  checkVersions(addon, path);
  addon.setErrorClass(EarlybirdError);
  settleThreads(addon);

  const plugin = join(dirname(path), 'earlybird_cuda.so');
  if (cuda && existsSync(plugin)) loadPlugin(addon, plugin);
  loadJpeg(addon, jpegPaths(path));

  // LibTorch's threads must end before the process does. Workers skip this, as the engine outlives them.
  if (isMainThread) process.on('exit', () => addon.shutdown());
  return { addon, cuda, libtorch };
}

/**
 * Works with a variable of the environment, where it is not set. Afterwards it is gone, so that programs that this one
 * starts, such as the peers of a benchmark, do not inherit it.
 */
function withDefault<R>(name: string, value: string | undefined, work: () => R): R {
  const isOurs = value !== undefined && process.env[name] === undefined;
  if (isOurs) process.env[name] = value;
  try {
    return work();
  } finally {
    if (isOurs) delete process.env[name];
  }
}

/**
 * The addon built here for this LibTorch, else the one shipped for it: in the folder of the LibTorch, node-gyp-build chooses the
 * file for this system. `EARLYBIRD_ADDON` names a file instead, `EARLYBIRD_PREBUILD` a folder.
 */
export function addonPath(libtorch: FoundLibTorch): string {
  const { EARLYBIRD_ADDON: file, EARLYBIRD_PREBUILD: named } = process.env;
  if (file) return resolve(file);
  const folders = named ? [resolve(named)] : KINDS.map((kind) => join(packageRoot, kind, libtorch.id));
  const choices = folders.map(choose);
  const path = choices.find((choice) => choice.path)?.path;
  if (path) return path;
  throw new EarlybirdError(
    'ERR_NOT_BUILT',
    `The native addon has not been built for LibTorch ${libtorch.version} (${libtorch.id}, by ${libtorch.source} from ` +
      `${libtorch.root}); ${whatThereIs(folders)}. Run \`${buildCommand()}\`, or point LIBTORCH at a LibTorch there is a build for.`,
    choices.map(({ why }) => why).join('\n'),
  );
}

function choose(folder: string): { path?: string; why?: string } {
  try {
    const path = nodeGypBuild.path(folder);
    // node-gyp-build also looks beside the executable of Node, where nothing says which LibTorch a file is for.
    return path.startsWith(folder + sep) ? { path } : { why: `${path} is not in ${folder}` };
  } catch (error) {
    return { why: (error as Error).message.trim() };
  }
}

function whatThereIs(folders: string[]): string {
  const unfit = folders.flatMap((folder) =>
    namesIn(join(folder, 'prebuilds'), true).filter((name) => name.endsWith('.node')),
  );
  if (unfit.length > 0) return `what there is for it is for other systems: ${unfit.join(', ')}`;
  const others = KINDS.map((kind) => join(packageRoot, kind)).flatMap((kind) =>
    namesIn(kind).filter((id) => choose(join(kind, id)).path),
  );
  return others.length > 0 ? `there are only builds for ${others.join(', ')}` : 'nothing has been built yet';
}

function namesIn(folder: string, recursive = false): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive, encoding: 'utf8' }) : [];
}

function requireNative<T>(path: string, libtorch: FoundLibTorch): T {
  return explained(path, libtorch, () => require(path) as T);
}

/**
 * Opens the loader without require(), which needs the ending .node: node-gyp-build could then take the loader for the
 * addon.
 */
function openLoader(path: string, libtorch: FoundLibTorch): Loader {
  const module = { exports: {} as Loader };
  return explained(path, libtorch, () => {
    process.dlopen(module, path);
    return module.exports;
  });
}

function explained<T>(path: string, libtorch: FoundLibTorch, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw new EarlybirdError(
      'ERR_NOT_BUILT',
      `${path} cannot be loaded with LibTorch ${libtorch.version} from ${libtorch.root}: run \`${buildCommand()}\` to build it again.`,
      String(error),
    );
  }
}

function openLibrary(loader: Loader, path: string, libtorch: FoundLibTorch): void {
  try {
    loader.open(path);
  } catch (error) {
    const missing = String(error).match(/(\S+\.so[.\d]*): cannot open shared object file/)?.[1];
    const remedy = missing?.match(/cud|cublas|cupti|nccl|nv|cusparse|cufft|curand|cufile/)
      ? 'this is a CUDA build whose NVIDIA libraries are not there; install its nvidia-* wheels beside it, or use a CPU build of LibTorch'
      : `run \`${programCommand('doctor')}\` to see what is wrong with it`;
    const what = missing ? `it needs ${missing}, which was not found` : String(error);
    throw new EarlybirdError(
      'ERR_LIBTORCH',
      `LibTorch ${libtorch.version} (${path}) cannot be opened: ${what}; ${remedy}.`,
      String(error),
    );
  }
}

function loadPlugin(addon: NativeAddon, path: string): void {
  try {
    addon.loadPlugin(path);
  } catch (error) {
    const { message, detail } = error as EarlybirdError;
    throw new EarlybirdError('ERR_NOT_BUILT', `${message} Run \`${buildCommand()}\` to build it again.`, detail);
  }
}

/**
 * Throws ERR_LIBTORCH where the addon was built for another LibTorch: files were exchanged, or EARLYBIRD_ADDON names
 * another build.
 */
export function checkVersions(addon: Pick<NativeAddon, 'builtAgainst' | 'loaded'>, path: string): void {
  if (libtorchId(addon.builtAgainst, '') === libtorchId(addon.loaded, '')) return;
  throw new EarlybirdError(
    'ERR_LIBTORCH',
    `${path} was built against LibTorch ${addon.builtAgainst}, but ${addon.loaded} is loaded: run \`${buildCommand()}\`.`,
  );
}

function noCuda({ variant, version, root }: FoundLibTorch): EarlybirdError {
  return new EarlybirdError(
    'ERR_DEVICE',
    variant === 'cpu'
      ? `CUDA was asked for, but LibTorch ${version} in ${root} is a CPU build: run ${cudaRemedy()}, or point LIBTORCH at a CUDA build.`
      : 'CUDA was asked for, but this process has begun with device "cpu", which does not open the CUDA half of LibTorch.',
  );
}
