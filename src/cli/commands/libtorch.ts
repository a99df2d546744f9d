/** `earlybird libtorch`: which LibTorch is used, fetch one, name one. */
import type { Argv, CommandModule } from 'yargs';
import { EarlybirdError } from '../../errors';
import { configPath, writeConfig } from '../../native/config';
import { fetchByPip, fetchFromArchive } from '../../native/fetch-libtorch';
import { describeLibTorch, findLibTorch } from '../../native/libtorch';

interface FetchArguments {
  variant: 'cpu' | 'cuda';
  'torch-version'?: string;
  'index-url'?: string;
  from?: string;
  sha256?: string;
}

interface UseArguments {
  dir?: string;
  none: boolean;
}

const where: CommandModule = {
  command: ['where', '$0'],
  describe: 'Print which LibTorch is used',
  handler: () => {
    const { version, variant, source, root } = findLibTorch();
    process.stdout.write(`LibTorch ${version} (${variant}), by ${source}: ${root}\n`);
  },
};

const use: CommandModule<object, UseArguments> = {
  command: 'use [dir]',
  describe: 'Remember a LibTorch in the configuration file',
  builder: (yargs: Argv) =>
    yargs
      .positional('dir', {
        type: 'string',
        describe: 'A LibTorch, a site-packages with torch in it, or a virtual environment',
      })
      .option('none', { type: 'boolean', default: false, describe: 'Forget it again' }),
  handler: ({ dir, none }) => {
    if (none === (dir !== undefined)) throw new EarlybirdError('ERR_USAGE', 'Give either a folder or --none.');
    if (!dir) {
      writeConfig({});
      process.stdout.write(`${configPath()} names no LibTorch any more\n`);
      return;
    }
    const libtorch = describeLibTorch(dir);
    if (!libtorch)
      throw new EarlybirdError('ERR_LIBTORCH', `${dir} is no LibTorch: it has no lib/libtorch_cpu.so with headers.`);
    writeConfig({ libtorch: libtorch.root });
    process.stdout.write(
      `${configPath()} names LibTorch ${libtorch.version} (${libtorch.variant}): ${libtorch.root}\n`,
    );
    if (process.env.LIBTORCH) process.stderr.write('note: the environment variable LIBTORCH is set and comes first\n');
  },
};

const fetch: CommandModule<object, FetchArguments> = {
  command: 'fetch',
  describe: 'Put a LibTorch into .libtorch/, by pip or from the official archive',
  builder: (yargs: Argv) =>
    yargs
      .option('variant', {
        choices: ['cpu', 'cuda'] as const,
        default: 'cpu' as const,
        describe: 'Which build pip shall install',
      })
      .option('torch-version', {
        type: 'string',
        describe: 'Another version than the one this release was tested with',
      })
      .option('index-url', { type: 'string', describe: 'Package index for pip' })
      .option('from', {
        type: 'string',
        describe: 'Instead of pip: an archive (.zip, .whl) or its address, or a folder',
      })
      .option('sha256', { type: 'string', describe: 'What the archive must hash to' })
      .conflicts('from', ['torch-version', 'index-url'])
      .implies('sha256', 'from'),
  handler: async ({ variant, 'torch-version': version, 'index-url': indexUrl, from, sha256 }) => {
    const log = (line: string) => process.stderr.write(`${line}\n`);
    const libtorch = from
      ? await fetchFromArchive({ from, sha256, onProgress: process.stderr.isTTY ? drawProgress : undefined })
      : await fetchByPip({ variant, version, indexUrl, log });
    process.stdout.write(`LibTorch ${libtorch.version} (${libtorch.variant}): ${libtorch.root}\n`);
  },
};

function drawProgress(done: number, total: number | null): void {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  process.stderr.write(`\r${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''} ${done === total ? '\n' : ''}`);
}

export const command: CommandModule = {
  command: 'libtorch <action>',
  describe: 'Show, fetch or choose the LibTorch to use',
  builder: (yargs) => yargs.command(where).command(use).command(fetch).demandCommand(1),
  handler: () => {},
};
