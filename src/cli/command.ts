/** Makes a yargs command of options, what is run, and how its result is printed. Its name and description stand in the table that lists it. */
import type { CommandModule } from 'yargs';
import { type EarlybirdError, fileError, systemCode } from '../errors';
import { placeOf } from '../ranks/place';
import type { RunOptions } from '../run/observer';
import { interruptSignal } from './interrupt';
import {
  addOptions,
  entryNames,
  type FileEntries,
  type Flags,
  positionalsOf,
  recipeFrom,
  type Shell,
  type Source,
  type Values,
} from './options';
import { createDisplay, type Show } from './progress';

/** `path` is the name with those of the groups it is in: "data pack". */
export type Command = (path: string, describe: string) => CommandModule<object, Flags>;
type Table = [name: string, describe: string, command: Command][];

interface Context extends RunOptions {
  signal: AbortSignal;
  show: Show;
}

interface Definition<S extends Source, R> {
  options: S;
  /** Several processes may run it together (engine/over-ranks.ts). */
  ranked?: boolean;
  /** Command lines and what they do, shown first by --help. */
  examples?: [line: string, does: string][];
  run(values: Values<S>, context: Context): R | Promise<R>;
  /** The result as text, for people. --json prints it as it is. */
  print(result: R, shell: Shell): string | Promise<string>;
}

export function defineCommand<S extends Source, R>({
  options,
  ranked = false,
  examples = [],
  run,
  print,
}: Definition<S, R>): Command {
  const handler = async (flags: Flags): Promise<void> => {
    const { recipe, shell, notes } = recipeFrom(options, flags, await fileOf(options, flags));
    if (shell.printRecipe) return write(JSON.stringify(recipe, null, 2));
    if (ranked && !placeOf(process.env) && (await ranOnGpus(recipe))) return;
    const { logInterval } = recipe as { logInterval?: number };
    const { observer, show, end } = createDisplay({ quiet: shell.quiet, logInterval });
    for (const note of notes) observer.log?.(note);
    const context: Context = {
      observer,
      show,
      force: shell.force,
      commandLine: ['earlybird', ...process.argv.slice(2)].map(shellWord).join(' '),
      // Only what asks for it stops cleanly; the rest ends at once.
      get signal() {
        return interruptSignal();
      },
    };
    const result = await (ranked && placeOf(process.env)
      ? runOnRanks(recipe, context, run)
      : Promise.resolve(run(recipe, context))
    ).finally(end);
    // A rank that follows has no result of its own.
    if (result === null) return;
    const text = shell.json ? JSON.stringify(result, plain, 2) : await print(result, shell);
    write(text, Object.hasOwn(recipe, 'save'));
  };
  return (path, describe) => ({
    command: `${path.split(' ').at(-1)}${positionalsOf(options, '[]')}`,
    describe,
    builder: (yargs) => addOptions(yargs.usage(usage(path, describe, positionalsOf(options), examples)), options),
    handler,
  });
}

/** What --recipe names. */
async function fileOf(source: Source, { recipe }: Flags): Promise<FileEntries | null> {
  if (typeof source !== 'string' || typeof recipe !== 'string') return null;
  return (await import('./recipe-file.js')).readRecipeFile(recipe, entryNames(source));
}

/** Starts the same command as a rank on each GPU, where the recipe names several that are there. */
async function ranOnGpus(recipe: object): Promise<boolean> {
  const { severalGpus } = await import('../engine/device.js');
  const gpus = severalGpus(recipe as Parameters<typeof severalGpus>[0]);
  if (!gpus) return false;
  const { launchSelf } = await import('../ranks/launch.js');
  const own = ['--gpu-ids', gpus.join(',')]; // those that are there; the last one counts
  process.exitCode = await launchSelf(
    gpus.length,
    [...process.argv.slice(2), ...own],
    (recipe as { save?: string }).save ?? '.',
  );
  return true;
}

/** As rank 0 of several, or null for a rank that followed it. */
async function runOnRanks<S extends Source, R>(
  recipe: Values<S>,
  context: Context,
  run: Definition<S, R>['run'],
): Promise<R | null> {
  const [{ endWithLauncher }, { overRanks }] = await Promise.all([
    import('../ranks/launch.js'),
    import('../engine/over-ranks.js'),
  ]);
  endWithLauncher();
  const { observer, signal } = context;
  const leads = async (options: RunOptions) => run(recipe, Object.assign(context, { ranks: options.ranks }));
  return overRanks(recipe as Parameters<typeof overRanks>[0], { observer, signal }, leads);
}

/** A command of commands: `data fetch`. Without a name, `standard` is run. */
export function defineGroup(commands: Table, standard?: string): Command {
  return (path, describe) => ({
    command: path,
    describe,
    builder(yargs) {
      for (const [name, text, command] of commands) {
        const module = command(`${path} ${name}`, text);
        yargs.command(name === standard ? { ...module, command: [module.command as string, '$0'] } : module);
      }
      return yargs
        .usage(usage(path, describe, ' <command>'))
        .demandCommand(
          standard === undefined ? 1 : 0,
          `Which command of ${path}: ${commands.map(([name]) => name).join(', ')}?`,
        );
    },
    handler: () => {},
  });
}

function usage(path: string, describe: string, words: string, examples: [string, string][] = []): string {
  const lines = examples.map(([line, does]) => `# ${does}\n$ ${line}`);
  const all = [`earlybird ${path}${words} [options]`, describe, ...(lines.length > 0 ? ['Examples:', ...lines] : [])];
  return all.join('\n\n').replaceAll(':\n\n#', ':\n#');
}

/** `isKept`: the result is in the folder of the run as well, so that it is not lost where it cannot be printed. */
function write(text: string, isKept = false): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`, (error) => {
    // A reader that has gone, such as head, has what it wanted.
    if (!error || systemCode(error) === 'EPIPE') return;
    const { message, code } = fileError(error, 'The standard output', 'written') as EarlybirdError;
    process.stderr.write(`earlybird: ${message} [${code}]\n`);
    if (!isKept) process.exitCode = 1;
  });
}

/** A word of a command line as a shell takes it, for copying. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Matrices go to files, not into JSON results. */
function plain(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? undefined : value;
}
