/** Spellings of the command line. */

/**
 * Options of yargs: flags are taken exactly as they are written, values as text, and of a repeated flag the last wins.
 */
export const PARSER = {
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'short-option-groups': false,
};

/**
 * Unifies the spellings of the reference's scripts: --start_epoch and --start-epoch, -sr, True and False. --no-cuda is
 * an option of its own, not a negation.
 */
export function normaliseArguments(argv: readonly string[]): string[] {
  return argv.map((argument) => {
    if (argument === '-sr') return '--sr';
    const [name, ...rest] = argument.split('=');
    const flag = argument.startsWith('--') ? [name!.replaceAll('_', '-'), ...rest].join('=') : argument;
    if (flag === '--no-cuda') return '--no-cuda=true';
    const [, before, word] = /^(--[^=]+=|)(True|False)$/.exec(flag) ?? [];
    return word === undefined ? flag : before + word.toLowerCase();
  });
}

/**
 * Moves the command to the front: `--json train` becomes `train --json`; `help train`, `version` and an empty line
 * become flags.
 */
export function commandFirst(argv: readonly string[]): string[] {
  const [first = 'help', ...rest] = argv;
  if (first === 'help') return [...rest, '--help'];
  if (first === 'version') return ['--version'];
  const at = first === '--get-yargs-completions' ? 0 : argv.findIndex((word) => !word.startsWith('-'));
  return at > 0 ? [...argv.slice(at), ...argv.slice(0, at)] : [...argv];
}

/** Names of commands that several processes can run together. */
export const RANKED: readonly string[] = ['train', 'search', 'retrain', 'evaluate'];

/** Rewrites "launch --nproc 2 train ..." for yargs, with the words of the other command behind --. */
export function withSeparator(argv: readonly string[]): string[] {
  if (argv[0] !== 'launch') return [...argv];
  const at = argv.findIndex((word, i) => i > 0 && (word === '--' || RANKED.includes(word)));
  return at < 0 || argv[at] === '--' ? [...argv] : [...argv.slice(0, at), '--', ...argv.slice(at)];
}
