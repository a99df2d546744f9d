/** `earlybird data pack`: class folders of images become tar shards. */
import * as os from 'node:os';
import { BAD_LIST, pack as packImages } from '../../data/pack';
import { EarlybirdError } from '../../errors';
import { counter } from '../counter';
import { interruptSignal } from '../interrupt';
import { defineTool } from '../tool';

export const pack = defineTool({
  command: 'pack <from> <to>',
  describe:
    'Make shards of train/<class>/* and val/<class>/*: every image checked, larger ones made smaller; run again to go on after a cut',
  options: (yargs) =>
    yargs
      .positional('from', { type: 'string', demandOption: true, describe: 'The folder with train/ and val/' })
      .positional('to', {
        type: 'string',
        demandOption: true,
        describe: 'The folder for the shards; created if missing',
      })
      .option('short-side', { type: 'number', requiresArg: true, describe: 'Largest shorter side, pixels' })
      .option('max-side', { type: 'number', requiresArg: true, describe: 'Largest longer side, pixels' })
      .option('quality', {
        type: 'number',
        default: 90,
        requiresArg: true,
        describe: 'JPEG quality of images that are changed; the others are copied',
      })
      .option('shard-size', {
        type: 'string',
        default: '1000',
        requiresArg: true,
        describe: 'Images of a shard, or megabytes (256MB)',
      })
      .option('split', {
        type: 'string',
        default: 'train,val',
        requiresArg: true,
        describe: 'What to pack: train, val or train,val',
      })
      .option('max-bad', {
        type: 'number',
        default: 0,
        requiresArg: true,
        describe: `More images than this that do not decode make the exit code 1; all are left out and listed in ${BAD_LIST}`,
      }),
  async run(flags) {
    // Images are worked on in libuv's threads, of which there are four unless this is said before the first of them starts.
    process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, os.availableParallelism()));
    const { from, to, quality } = flags;
    const show = counter(flags.quiet);
    const { folder, manifest, bad, packed } = await packImages(from, to, {
      shortSide: flags['short-side'] ?? null,
      maxSide: flags['max-side'] ?? null,
      quality,
      shardSize: flags['shard-size'],
      splits: splitsOf(flags.split),
      onProgress: (done, total, what) => show(what, done, total),
      signal: interruptSignal(),
    }).finally(() => show(null));
    if (bad.length > flags['max-bad']) process.exitCode = 1;
    return { folder, packed, bad, ...manifest };
  },
  print({ folder, packed, bad, classes, splits }) {
    const lines = Object.entries(splits).map(
      ([name, { images, bytes, shards }]) =>
        `${name}: ${images} images in ${shards.length} shards, ${(bytes / 1e6).toFixed(1)} MB`,
    );
    if (bad.length > 0) {
      lines.push(`${bad.length} images do not decode and were left out, see ${folder}/${BAD_LIST}:`);
      lines.push(
        ...bad.slice(0, 10).map(({ file, reason }) => `  ${file}: ${reason}`),
        ...(bad.length > 10 ? ['  ...'] : []),
        `These shards stay without them: to have them in, repair them, empty ${folder} and pack again.`,
      );
    }
    const head = packed ? `packed into ${folder}, ${classes.length} classes` : `${folder} holds these shards, finished`;
    return [head, ...lines].join('\n');
  },
});

function splitsOf(text: string): ('train' | 'val')[] {
  const names = text.split(',').map((name) => name.trim());
  const splits = (['train', 'val'] as const).filter((name) => names.includes(name));
  if (splits.length > 0 && splits.length === new Set(names).size) return splits;
  throw new EarlybirdError('ERR_USAGE', `--split ${text} is not possible: give train, val or train,val.`);
}
