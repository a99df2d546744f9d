/** Folder, version, commit and build command of this package, and the user's cache. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The folder of package.json: the same from src/ and from dist/. */
export const packageRoot = resolve(__dirname, '..');

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Commit of this code; null outside a clone, where a repository around the package would answer. */
export function gitCommit(): string | null {
  if (!isClone()) return null;
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    }).trim();
  } catch {
    return null;
  }
}

/** The user's cache: what was downloaded, decoded or measured. $EARLYBIRD_CACHE, else earlybird in $XDG_CACHE_HOME or ~/.cache. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.EARLYBIRD_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'earlybird');
}

/** True for a clone of the repository; an installed package has no TypeScript sources, and loses files that are put into its folder. */
export function isClone(): boolean {
  return existsSync(join(packageRoot, 'tsconfig.json'));
}

/** A command of this program as the user has to type it: one that npx started is not on PATH. */
export function programCommand(words: string, started = process.argv[1] ?? ''): string {
  return `${/[\\/]node_modules[\\/]\.bin[\\/]/.test(started) ? 'npx --no-install ' : ''}earlybird ${words}`;
}

/** The command that builds the addon, with further flags that setup and scripts/build.mjs share. */
export function buildCommand(flags = ''): string {
  const more = flags && ` ${flags}`;
  if (isClone()) return `npm run setup${more && ` --${more}`}`;
  return `${process.execPath} ${join(packageRoot, 'scripts', 'build.mjs')} --native-only${more}`;
}

/** Remedy for a LibTorch that is a CPU build, where a GPU is to compute, as a clause. */
export function cudaRemedy(): string {
  const fetch = programCommand('libtorch fetch --variant cuda');
  return `\`${fetch}\`, then \`${buildCommand()}\` with an nvcc of its major version of CUDA on PATH`;
}

/** The command that makes the Python environment of bench/peer. */
export function peersCommand(): string {
  return isClone()
    ? 'npm run bench:peers'
    : `${process.execPath} ${join(packageRoot, 'scripts', 'bench', 'peers.mjs')}`;
}
