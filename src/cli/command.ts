/** What the commands of this package have in common: recipe, --print-recipe, progress, Ctrl-C, --json. */
import type { Argv, CommandModule } from 'yargs';
import type { CommandName, Recipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { interruptSignal } from './interrupt';
import { addOptions, type Flags, recipeFrom } from './options';
import { createObserver } from './progress';

interface Definition<C extends CommandName, R> {
  name: C;
  /** Where there are positional arguments: the whole yargs command string. */
  command?: string;
  describe: string;
  run(recipe: Recipe<C>, options: RunOptions): Promise<R>;
  /** The result as text, for people. --json prints it as it is. */
  print(result: R): Promise<string>;
}

export function defineCommand<C extends CommandName, R>({
  name,
  command = name,
  describe,
  run,
  print,
}: Definition<C, R>): CommandModule<object, Flags> {
  return {
    command,
    describe,
    builder: (yargs) => addOptions(yargs, name) as unknown as Argv<Flags>,
    handler: async (flags) => {
      const { recipe, shell, notes } = recipeFrom(name, flags);
      if (shell.printRecipe) return write(JSON.stringify(recipe, null, 2));
      const { logInterval } = recipe as { logInterval?: number };
      const options: RunOptions = {
        observer: createObserver({ quiet: shell.quiet, ...(logInterval === undefined ? {} : { logInterval }) }),
        signal: interruptSignal(),
        force: shell.force,
        commandLine: ['earlybird', ...process.argv.slice(2)].join(' '),
      };
      for (const note of notes) options.observer?.log?.(note);
      const result = await run(recipe, options).finally(() => options.observer?.end?.());
      write(shell.json ? JSON.stringify(result, plain, 2) : await print(result));
    },
  };
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Matrices go to files, not into JSON results. */
function plain(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? undefined : value;
}
