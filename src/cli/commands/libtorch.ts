/** `earlybird libtorch`: which LibTorch is used, fetch one, name one. */
import type { CommandModule } from 'yargs';
import { EarlybirdError } from '../../errors';
import { configPath, writeConfig } from '../../libtorch/config';
import { fetchByPip, fetchFromArchive } from '../../libtorch/fetch';
import { describeLibTorch, findLibTorch, type LibTorch } from '../../libtorch/find';
import { defineTool } from '../tool';

const text = ({ version, variant, root }: LibTorch) => `LibTorch ${version} (${variant}): ${root}`;

const where = defineTool({
  command: ['where', '$0'],
  describe: 'Print which LibTorch is used',
  run: findLibTorch,
  print: ({ version, variant, source, root }) => `LibTorch ${version} (${variant}), by ${source}: ${root}`,
});

const use = defineTool({
  command: 'use [dir]',
  describe: 'Remember a LibTorch in the configuration file',
  options: (yargs) =>
    yargs
      .positional('dir', {
        type: 'string',
        describe: 'A LibTorch, a site-packages with torch in it, or a virtual environment',
      })
      .option('none', { type: 'boolean', default: false, describe: 'Forget it again' }),
  async run({ dir, none }) {
    if (none === (dir !== undefined)) throw new EarlybirdError('ERR_USAGE', 'Give either a folder or --none.');
    const libtorch = dir === undefined ? null : describeLibTorch(dir);
    if (dir !== undefined && !libtorch)
      throw new EarlybirdError('ERR_LIBTORCH', `${dir} is not a LibTorch: it has no lib/libtorch_cpu.so with headers.`);
    await writeConfig(libtorch ? { libtorch: libtorch.root } : {});
    if (libtorch && process.env.LIBTORCH)
      process.stderr.write('note: the environment variable LIBTORCH is set and comes first\n');
    return { config: configPath(), libtorch };
  },
  print: ({ config, libtorch }) =>
    libtorch ? `${config} names ${text(libtorch)}` : `${config} names no LibTorch any more`,
});

const fetch = defineTool({
  command: 'fetch',
  describe: 'Put a LibTorch into .libtorch/, by pip or from the official archive',
  options: (yargs) =>
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
  run({ variant, 'torch-version': version, 'index-url': indexUrl, from, sha256, quiet }) {
    const log = (line: string) => void (quiet || process.stderr.write(`${line}\n`));
    const onProgress = process.stderr.isTTY && !quiet ? drawProgress : undefined;
    return from ? fetchFromArchive({ from, sha256, onProgress }) : fetchByPip({ variant, version, indexUrl, log });
  },
  print: text,
});

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
