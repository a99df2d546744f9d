/**
 * Makes a yargs command from options, a function to run, and a printer of its result. The table that lists the command
 * has its name and description.
 */
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

/** Makes a command; `path` is its name with those of its groups: "data pack". */
export type Command = (path: string, describe: string) => CommandModule<object, Flags>;
type Table = [name: string, describe: string, command: Command][];

interface Context extends RunOptions {
  signal: AbortSignal;
  show: Show;
}

interface Definition<S extends Source, R> {
  options: S;
  /** True where several processes may run it together (engine/over-ranks.ts). */
  ranked?: boolean;
  /** Command lines with their effect, which --help shows first. */
  examples?: [line: string, does: string][];
  run(values: Values<S>, context: Context): R | Promise<R>;
  /** Prints the result as text for people; --json prints it as it is. */
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
      // Only a command that asks for the signal stops cleanly; any other ends at once.
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

/** Reads the file that --recipe names. */
async function fileOf(source: Source, { recipe }: Flags): Promise<FileEntries | null> {
  if (typeof source !== 'string' || typeof recipe !== 'string') return null;
  return (await import('./recipe-file.js')).readRecipeFile(recipe, entryNames(source));
}

/** Starts the same command as a rank on each GPU, where the recipe names several that are present. */
async function ranOnGpus(recipe: object): Promise<boolean> {
  const { severalGpus } = await import('../engine/device.js');
  const gpus = severalGpus(recipe as Parameters<typeof severalGpus>[0]);
  if (!gpus) return false;
  const { launchSelf } = await import('../ranks/launch.js');
  const own = ['--gpu-ids', gpus.join(',')]; // only the GPUs that are present; the last --gpu-ids counts
  process.exitCode = await launchSelf(
    gpus.length,
    [...process.argv.slice(2), ...own],
    (recipe as { save?: string }).save ?? '.',
  );
  return true;
}

/** Runs the command as rank 0 of several; null for a rank that followed it. */
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

/** A command of commands, such as `data fetch`. Without a name, `standard` is run. */
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

/**
 * Prints a result. `isKept`: the folder of the run has the result too, so it is not lost where it cannot be printed.
 */
function write(text: string, isKept = false): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`, (error) => {
    // A reader that has closed its end, such as head, has all it wanted.
    if (!error || systemCode(error) === 'EPIPE') return;
    const { message, code } = fileError(error, 'The standard output', 'written') as EarlybirdError;
    process.stderr.write(`earlybird: ${message} [${code}]\n`);
    if (!isKept) process.exitCode = 1;
  });
}

/** A word of a command line, quoted for a shell so that it can be copied. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Leaves matrices out of JSON results, as they go to files. */
function plain(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? undefined : value;
}
