import { existsSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadAddon } from '../../src/native/addon';
import { itemsOf } from './items';
import { Context } from './lib/networks';
import { Reference } from './lib/reference';
import { lineOf, run, Tally } from './run';

const USAGE = `usage: npm run parity -- DIR [--only TEXT]

Compares this build with a folder of golden data, of the reference or of number formats: one line a case.
--only TEXT  only cases whose name contains TEXT, for example "forward vgg16"
Exits with 1 when a case fails, with 2 when there is nothing to check.
`;

/** `npm run parity -- DIR [--only TEXT]` */
export async function main(args: string[]): Promise<void> {
  const wish = parse(args);
  if (typeof wish === 'string') {
    process.stderr.write(wish);
    process.exitCode = 2;
    return;
  }
  const context = new Context(new Reference(wish.dir), () => loadAddon({ device: 'cpu' }));
  const tally = new Tally();
  for await (const outcome of run(context, wish.only)) {
    tally.add(outcome);
    process.stdout.write(`${lineOf(outcome)}\n`);
  }
  const has = (file: string) => context.reference.has(file);
  const present = itemsOf(has).some(({ needs }) => has(needs));
  if (!present) process.stderr.write(`${wish.dir} holds none of the files of the reference\n`);
  else if (tally.total === 0) process.stderr.write(`no case has '${wish.only}' in its name\n`);
  process.stdout.write(`${tally}\n`);
  process.exitCode = tally.failed > 0 ? 1 : !present || tally.total === 0 ? 2 : 0;
}

/** The request, or the text of a usage error. */
function parse(args: string[]): { dir: string; only: string } | string {
  try {
    const { positionals, values } = parseArgs({ args, allowPositionals: true, options: { only: { type: 'string' } } });
    const [dir] = positionals;
    if (dir === undefined || positionals.length > 1) return USAGE;
    if (!existsSync(dir) || !statSync(dir).isDirectory()) return `there is no folder '${dir}'\n\n${USAGE}`;
    return { dir, only: values.only ?? '' };
  } catch (error) {
    return `${(error as Error).message}\n\n${USAGE}`;
  }
}
