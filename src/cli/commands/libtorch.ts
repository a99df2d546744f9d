/** `earlybird libtorch`: tells which LibTorch is used, fetches one, or names one. */
import { z } from 'zod';
import { EarlybirdError } from '../../errors';
import { configPath, writeConfig } from '../../libtorch/config';
import { fetchByPip, fetchFromArchive } from '../../libtorch/fetch';
import { describeLibTorch, findLibTorch, type LibTorch } from '../../libtorch/find';
import { folder, option } from '../../recipe/option';
import { defineCommand, defineGroup } from '../command';

const text = ({ version, variant, root }: LibTorch) => `LibTorch ${version} (${variant}): ${root}`;

const where = defineCommand({
  options: z.strictObject({}),
  examples: [['earlybird libtorch where', 'its version, variant and folder']],
  run: findLibTorch,
  print: ({ version, variant, source, root }) => `LibTorch ${version} (${variant}), by ${source}: ${root}`,
});

const use = defineCommand({
  options: z.strictObject({
    dir: option(folder().optional(), 'a LibTorch, a site-packages with torch in it, or a virtual environment', {
      positional: 'dir',
    }),
    none: option(z.boolean().default(false), 'forget it again'),
  }),
  examples: [
    ['earlybird libtorch use .venv', 'that of a virtual environment with torch'],
    ['earlybird libtorch use --none', 'look for one again'],
  ],
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
    libtorch ? `${config} names ${text(libtorch)}` : `${config} no longer names a LibTorch`,
});

const VARIANTS = ['cpu', 'cuda'] as const;

const fetch = defineCommand({
  options: z.strictObject({
    variant: option(z.enum(VARIANTS).default('cpu'), 'build for pip to install'),
    torchVersion: option(z.string().optional(), 'version for pip to install', 'such as 2.13.0', {
      defaultHelp: 'the one this version of earlybird was tested with',
    }),
    indexUrl: option(z.string().optional(), 'package index for pip', 'an address'),
    from: option(
      z.string().optional(),
      'instead of pip: an archive (.zip, .whl) or its address, or a folder',
      'a path or an address',
    ),
    sha256: option(z.string().optional(), 'what the archive must hash to', '64 hexadecimal digits'),
  }),
  examples: [
    ['earlybird libtorch fetch', 'for the CPU, by pip'],
    ['earlybird libtorch fetch --variant cuda', 'for a GPU'],
  ],
  run({ variant, torchVersion: version, indexUrl, from, sha256 }, { observer, show }) {
    const onProgress = (done: number, total: number | null) =>
      show('fetching', Math.round(done / 1e6), total && Math.round(total / 1e6), 'MB');
    if (from === undefined && sha256 !== undefined)
      throw new EarlybirdError('ERR_USAGE', '--sha256 is for an archive: give that as --from.');
    if (from === undefined) {
      const start = Date.now();
      const timer = setInterval(() => show('pip install', Math.round((Date.now() - start) / 1e3), null, 's'), 1000);
      return fetchByPip({ variant, version, indexUrl, log: observer?.log }).finally(() => clearInterval(timer));
    }
    if (version === undefined && indexUrl === undefined) return fetchFromArchive({ from, sha256, onProgress });
    throw new EarlybirdError('ERR_USAGE', '--torch-version and --index-url are for pip: leave them out with --from.');
  },
  print: text,
});

export const libtorch = defineGroup(
  [
    ['where', 'Print which LibTorch is used', where],
    ['use', 'Remember a LibTorch in the configuration file', use],
    ['fetch', 'Put a LibTorch into .libtorch/, by pip or from the official archive', fetch],
  ],
  'where',
);
