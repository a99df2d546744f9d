/** Commands whose flags are their whole recipe. What they have in common: --json, --quiet, --print-recipe. */
import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs';

export interface Shared {
  json: boolean;
  quiet: boolean;
  'print-recipe': boolean;
}

interface Definition<T, R> {
  command: string | string[];
  describe: string;
  options?(yargs: Argv): Argv<T>;
  run(flags: T & Shared): R | Promise<R>;
  /** The result as text, for people. --json prints it as it is. */
  print(result: R): string;
}

export function defineTool<T, R>({ command, describe, options, run, print }: Definition<T, R>): CommandModule {
  const handler = async (flags: T & Shared): Promise<void> => {
    if (flags['print-recipe']) return write(JSON.stringify(recipeOf(flags), null, 2));
    const result = await run(flags);
    write(flags.json ? JSON.stringify(result, null, 2) : print(result));
  };
  return {
    command,
    describe,
    builder: (yargs) =>
      (options ? (options(yargs) as unknown as Argv) : yargs)
        .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON' })
        .option('quiet', { type: 'boolean', default: false, describe: 'No progress' })
        .option('print-recipe', { type: 'boolean', default: false, describe: 'Print what would be done and stop' }),
    handler: (flags: ArgumentsCamelCase) => handler(flags as unknown as T & Shared),
  };
}

function recipeOf(flags: object): Record<string, unknown> {
  const { _, $0, json, quiet, 'print-recipe': asked, ...recipe } = flags as Record<string, unknown>;
  return recipe;
}

function write(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}
