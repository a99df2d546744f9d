/** Spellings of the command line. */

/** How yargs reads words: flags exactly as they are written, and where one is given twice the last wins. */
export const PARSER = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': false,
  'short-option-groups': false,
};

/** All spellings the reference's scripts use become one: --start_epoch and --start-epoch, -sr, True and False. */
export function normaliseArguments(argv: readonly string[]): string[] {
  return argv.map((argument) => {
    if (argument === '-sr') return '--sr';
    if (/^--[^=]*_/.test(argument)) {
      const [name, ...rest] = argument.split('=');
      return [name!.replaceAll('_', '-'), ...rest].join('=');
    }
    return /^(True|False)$/.test(argument) ? argument.toLowerCase() : argument;
  });
}
