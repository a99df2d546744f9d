/** `earlybird data`: fetch the official archives, check a dataset that is there, pack images into shards. */
import * as path from 'node:path';
import type { CommandModule } from 'yargs';
import { defaultCacheDir } from '../../data/cache';
import { fetchDataset } from '../../data/fetch';
import { verifyDataset } from '../../data/verify';
import type { VerifyReport } from '../../data/verify-report';
import { loaderCheck } from '../../engine/loader-check';
import { counter } from '../counter';
import { interruptSignal } from '../interrupt';
import { defineTool } from '../tool';
import { pack } from './data-pack';

const fetch = defineTool({
  command: 'fetch <name>',
  describe: 'Fetch the official archive of cifar10 or cifar100; run again to go on after a cut',
  options: (yargs) =>
    yargs
      .positional('name', { type: 'string', demandOption: true, describe: 'cifar10 or cifar100' })
      .option('dir', { type: 'string', requiresArg: true, describe: 'Where to put it [a folder; default: the cache]' })
      .option('url', { type: 'string', requiresArg: true, describe: 'A mirror that has the same file' }),
  async run({ name, dir, url, quiet }) {
    const show = counter(quiet);
    const folder = dir ?? path.join(defaultCacheDir(), name);
    const onProgress = (done: number, total: number | null) =>
      show('fetching', megabytes(done), total ? megabytes(total) : null);
    const result = await fetchDataset(name, folder, { url, onProgress, signal: interruptSignal() }).finally(() =>
      show(null),
    );
    return { dataset: name, ...result };
  },
  print: ({ dataset, file, bytes, fetched }) =>
    `${dataset}: ${file} (${bytes} bytes, md5 as it should be${fetched === 0 ? ', was there already' : ''})`,
});

const verify = defineTool({
  command: 'verify <name>',
  describe: 'Check a dataset: archive checksum, every image, images per class; exit code 1 if it is damaged',
  options: (yargs) =>
    yargs
      .positional('name', {
        type: 'string',
        demandOption: true,
        describe: 'cifar10, cifar100, imagenet, folder or synthetic',
      })
      .option('data', {
        type: 'string',
        requiresArg: true,
        describe: 'The folder or archive [default: where a run would look]',
      })
      .option('image-size', {
        type: 'number',
        requiresArg: true,
        describe: 'Class folders: side of the decoded images in pixels',
      }),
  async run({ name, data, 'image-size': imageSize, quiet }) {
    const show = counter(quiet);
    const onProgress = (done: number, total: number, what: string) => show(what, done, total);
    const loader = name === 'imagenet' ? loaderCheck() : null;
    const options = { dataset: name, data, loader, imageSize, onProgress, signal: interruptSignal() };
    const report = await verifyDataset(options).finally(() => show(null));
    if (report.problems.length > 0) process.exitCode = 1;
    return report;
  },
  print: reportText,
});

export const command: CommandModule = {
  command: 'data <action>',
  describe: 'Fetch, check or pack a dataset',
  builder: (yargs) => yargs.command(fetch).command(verify).command(pack).demandCommand(1),
  handler: () => {},
};

/** The report for people: what it is, how many images, what is wrong. */
function reportText(report: VerifyReport): string {
  const { dataset, synthetic, official, md5, classNames, train, test, fingerprint, problems } = report;
  const lines = [`${dataset}${synthetic ? ' (synthetic pictures, made up by rule)' : `: ${report.path}`}`];
  if (md5) lines.push(`md5 ${md5}${official ? ', the official archive' : ', not one of the official archives'}`);
  for (const [split, set] of [['train', train] as const, ['test', test] as const]) {
    if (!set) continue;
    const [fewest, most] = [Math.min(...set.perClass), Math.max(...set.perClass)];
    const each = fewest === most ? `${most} of each class` : `${fewest} to ${most} of a class`;
    lines.push(`${split}: ${set.images} images, ${classNames.length} classes, ${each}`);
    if (classNames.length <= 20)
      lines.push(`  ${classNames.map((name, i) => `${name} ${set.perClass[i]}`).join(', ')}`);
  }
  if (fingerprint) lines.push(`fingerprint ${fingerprint}`);
  lines.push(...(problems.length > 0 ? problems.map((problem) => `DAMAGED: ${problem}`) : ['in order']));
  return `${lines.join('\n')}\n`;
}

/** Whole megabytes, as a number beside the word "fetching". */
function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
