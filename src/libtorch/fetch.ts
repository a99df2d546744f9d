/**
 * Puts a LibTorch into `.libtorch/`: from the package index by pip, or from an archive or folder that the user names. Replaces the old
 * one once the new one is complete.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { download, hashFile } from '../download';
import { EarlybirdError, fileError, systemCode } from '../errors';
import { redact } from '../http';
import { type FolderLock, lockFolder } from '../lock';
import { packageRoot } from '../package';
import { describeLibTorch, type LibTorch, libtorchFolder } from './find';
import { unzip } from './unzip';

export type Variant = 'cpu' | 'cuda';

const PIP_OPTIONS = ['--quiet', '--no-input', '--no-warn-script-location', '--only-binary', ':all:'];

interface PipOptions {
  variant: Variant;
  /** Version to fetch. Default: the pinned version of this variant. */
  version?: string;
  /** Index that pip uses. */
  indexUrl?: string;
  log?: (line: string) => void;
}

interface ArchiveOptions {
  /** Source: a file, an address or a folder. */
  from: string;
  sha256?: string;
  onProgress?: (done: number, total: number | null) => void;
  signal?: AbortSignal;
}

/** The versions that this release was built and tested with. */
export function pinnedVersion(variant: Variant): string {
  return JSON.parse(readFileSync(join(packageRoot, 'scripts', 'libtorch.json'), 'utf8'))[variant];
}

/**
 * Installs the wheel of PyTorch for its LibTorch. Only that wheel is installed, with NVIDIA's libraries for CUDA, and
 * no other dependency. `--target` leaves the Python installation alone, so this works where the distribution forbids
 * pip to change it.
 */
export async function fetchByPip({
  variant,
  version = pinnedVersion(variant),
  indexUrl,
  log,
}: PipOptions): Promise<LibTorch> {
  using _lock = await lockPlace();
  return await replaceFolder(async (folder) => {
    const pip = findPip(join(folder, '.pip'));
    const install = (what: string[]) => {
      log?.(`pip install ${what.join(' ')}`);
      const index = indexUrl ? ['--index-url', indexUrl] : [];
      return wait([...pip, 'install', ...PIP_OPTIONS, '--target', folder, ...index, ...what]);
    };
    // Given a plain version number, pip would choose a CUDA build of several gigabytes.
    const wanted = variant === 'cpu' && process.arch === 'x64' && !version.includes('+') ? `${version}+cpu` : version;
    const torch = await install(['--no-deps', `torch==${wanted}`]);
    if (torch.status !== 0) throw pipFailure(variant, wanted, indexUrl, torch);
    if (existsSync(join(folder, 'torch', 'lib', 'libtorch_cuda.so'))) {
      const libraries = await install(nvidiaRequirements(folder));
      if (libraries.status !== 0) throw pipFailure(variant, wanted, indexUrl, libraries);
    }
    rmSync(join(folder, '.pip'), { recursive: true, force: true });
  });
}

/**
 * Installs from the official archive (.zip), a wheel (.whl), or a folder with a LibTorch in it. Downloads continue
 * where they stopped.
 */
export async function fetchFromArchive({ from, sha256, onProgress, signal }: ArchiveOptions): Promise<LibTorch> {
  using _lock = await lockPlace();
  const isAddress = /^https?:\/\//.test(from);
  const cache = `${libtorchFolder()}.download`;
  const path = isAddress ? join(cache, basename(new URL(from).pathname) || 'libtorch.zip') : resolve(from);
  if (isAddress) {
    await download({ url: from, file: path, sha256, onProgress, signal });
  }
  if (!existsSync(path)) throw new EarlybirdError('ERR_FILE', `${path} does not exist: correct --from.`);
  const isFolder = statSync(path).isDirectory();
  if (isFolder && sha256)
    throw new EarlybirdError('ERR_USAGE', '--sha256 is for a file or an address; --from names a folder.');
  if (!isAddress && sha256 && (await hashFile(path, 'sha256', signal)) !== sha256.toLowerCase())
    throw new EarlybirdError('ERR_FILE', `The SHA-256 of ${path} is not ${sha256}: it is damaged or another file.`);

  const libtorch = await replaceFolder(async (folder) => {
    if (isFolder)
      cpSync(describeLibTorch(path)?.root ?? path, join(folder, 'libtorch'), { recursive: true, dereference: true });
    else
      await unzip(path, folder, signal).catch((error) => {
        signal?.throwIfAborted();
        if (error instanceof EarlybirdError) throw error;
        if (systemCode(error) !== '')
          throw fileError(error, (error as NodeJS.ErrnoException).path ?? folder, 'written');
        throw new EarlybirdError(
          'ERR_FILE',
          `${path} cannot be unpacked: give a whole .zip or .whl file.`,
          String(error),
        );
      });
  });
  if (isAddress) rmSync(cache, { recursive: true, force: true });
  return libtorch;
}

/** Locks the folder of a LibTorch. The lock lies beside that folder, since the folder is replaced. */
async function lockPlace(): Promise<FolderLock> {
  const lock = await lockFolder(dirname(libtorchFolder()), { name: '.libtorch.lock' });
  lock.requireWritable();
  return lock;
}

/** Fills a new folder and puts it into the place of the old one only when a LibTorch is in it. */
async function replaceFolder(fill: (folder: string) => Promise<void>): Promise<LibTorch> {
  const folder = libtorchFolder();
  const next = `${folder}.new`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  try {
    await fill(next);
    if (!describeLibTorch(next)) {
      throw new EarlybirdError(
        'ERR_LIBTORCH',
        'The download has no lib/libtorch_cpu.so with headers, so it is not a LibTorch for Linux.',
      );
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(next, folder);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
  return describeLibTorch(folder)!;
}

/** The command line of a working pip: that of python3, else one in a new virtual environment. */
function findPip(environment: string): string[] {
  const python = process.env.PYTHON ?? 'python3';
  if (call([python, '--version']).status !== 0) {
    throw new EarlybirdError(
      'ERR_LIBTORCH',
      'LibTorch cannot be fetched by pip, because there is no python3: install Python 3 with pip, set LIBTORCH to a LibTorch you ' +
        'have, or run `earlybird libtorch fetch --from FILE|URL` with the official archive.',
    );
  }
  if (call([python, '-m', 'pip', '--version']).status === 0) return [python, '-m', 'pip'];
  const made = call([python, '-m', 'venv', environment]);
  if (made.status === 0) return [join(environment, 'bin', 'python3'), '-m', 'pip'];
  throw new EarlybirdError(
    'ERR_LIBTORCH',
    'LibTorch cannot be fetched by pip, because python3 has neither pip nor a working venv: install them (Debian: python3-pip or ' +
      'python3-venv), or run `earlybird libtorch fetch --from FILE|URL` with the official archive.',
    `${made.stdout}${made.stderr}`,
  );
}

interface Said {
  status: number | null;
  stdout: string;
  stderr: string;
}

function call([command, ...args]: string[]): Said {
  return spawnSync(command!, args, { encoding: 'utf8', maxBuffer: 1 << 26, env: process.env });
}

/** Runs a command as `call` does, but asynchronously, so that the caller can show progress during minutes of work. */
function wait([command, ...args]: string[]): Promise<Said> {
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'], env: process.env });
  const said: Said = { status: null, stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  return new Promise((done) => {
    child.on('error', (error) => done({ ...said, stderr: String(error) }));
    child.on('close', (status) => done({ ...said, status }));
  });
}

/** Requirements of the wheel that LibTorch links to: CUDA and NVIDIA's libraries. */
function nvidiaRequirements(folder: string): string[] {
  const info = readdirSync(folder).find((name) => /^torch-.*\.dist-info$/.test(name));
  const metadata = info ? readFileSync(join(folder, info, 'METADATA'), 'utf8') : '';
  const lines = metadata.matchAll(/^Requires-Dist: ((?:nvidia-|cuda-toolkit)[^;\n]*)/gm);
  return Array.from(lines, ([, requirement]) => requirement!.trim());
}

function pipFailure(
  variant: Variant,
  version: string,
  indexUrl: string | undefined,
  { stdout, stderr }: { stdout: string; stderr: string },
) {
  const output = `${stdout}${stderr}`.trim();
  const detail = output.split('\n').slice(-20).join('\n');
  if (/No space left|Disk quota exceeded/.test(output))
    return new EarlybirdError(
      'ERR_FILE',
      `torch ${version} cannot be written: the disk is full, or your quota of it; free some space for ${libtorchFolder()} and for pip's temporary files (TMPDIR), and run the same command again.`,
      detail,
    );
  const where = indexUrl ? `the index ${redact(indexUrl)}` : "pip's package index";
  const missing = /No matching distribution|Could not find a version/.test(output);
  const cpu =
    'pass the address of PyTorch\'s CPU wheels with --index-url (the "pip" line for CPU on its "Get started" page has it), ';
  const message = missing
    ? `${where} has no torch ${version} for this Python: ${variant === 'cpu' ? cpu : 'try another Python or --index-url, '}` +
      'take --variant cuda (some gigabytes), or use --from FILE|URL with the official archive.'
    : `pip could not install torch ${version} from ${where}: check network and proxy settings, or use --from FILE|URL.`;
  return new EarlybirdError('ERR_DOWNLOAD', message, detail);
}
