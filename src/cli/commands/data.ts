/** `earlybird data`: fetch the official archives, and check a dataset that is there. */
import * as path from 'node:path';
import type { CommandModule } from 'yargs';
import { defaultCacheDir } from '../../data/cache';
import { fetchDataset } from '../../data/fetch';
import { type VerifyReport, verifyDataset } from '../../data/verify';
import { interruptSignal } from '../interrupt';
import { defineTool } from '../tool';

const fetch = defineTool({
  command: 'fetch <name>',
  describe: 'Fetch the official archive of cifar10 or cifar100; run again to go on after a cut',
  options: (yargs) =>
    yargs
      .positional('name', { type: 'string', demandOption: true, describe: 'cifar10 or cifar100' })
      .option('dir', { type: 'string', requiresArg: true, describe: 'Where to put it [a folder; default: the cache]' })
      .option('url', { type: 'string', requiresArg: true, describe: 'A mirror that has the same file' }),
  async run({ name, dir, url, quiet }) {
    const show = progress(quiet);
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
      .positional('name', { type: 'string', demandOption: true, describe: 'cifar10, cifar100, folder or synthetic' })
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
    const show = progress(quiet);
    const onProgress = (done: number, total: number, what: string) => show(what, done, total);
    const options = { dataset: name, data, imageSize, onProgress, signal: interruptSignal() };
    const report = await verifyDataset(options).finally(() => show(null));
    if (report.problems.length > 0) process.exitCode = 1;
    return report;
  },
  print: reportText,
});

export const command: CommandModule = {
  command: 'data <action>',
  describe: 'Fetch or check a dataset',
  builder: (yargs) => yargs.command(fetch).command(verify).demandCommand(1),
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

type Show = (what: string | null, done?: number, total?: number | null) => void;

/** Progress on stderr: one live line on a terminal, a plain line every ten seconds otherwise; `show(null)` ends it. */
function progress(quiet: boolean): Show {
  const { stderr } = process;
  let live = false;
  let last = Date.now();
  return (what, done, total) => {
    if (quiet) return;
    if (what === null) {
      if (live) stderr.write('\r\x1b[K');
      return;
    }
    const text = `${what} ${done}${total === null ? '' : ` of ${total}`}`;
    if (stderr.isTTY) {
      live = true;
      stderr.write(`\r\x1b[K${text}`);
    } else if (Date.now() - last > 10_000) {
      last = Date.now();
      stderr.write(`${text}\n`);
    }
  };
}

/** Whole megabytes, as a number beside the word "fetching". */
function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
