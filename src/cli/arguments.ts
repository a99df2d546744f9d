/** Spellings of the command line. */

/** How yargs reads words: flags exactly as they are written, values as text, and where a flag is given twice the last wins. */
export const PARSER = {
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'short-option-groups': false,
};

/**
 * All spellings the reference's scripts use become one: --start_epoch and --start-epoch, -sr, True and False. --no-cuda is an
 * option of its own, no negation.
 */
export function normaliseArguments(argv: readonly string[]): string[] {
  return argv.map((argument) => {
    if (argument === '-sr') return '--sr';
    const [name, ...rest] = argument.split('=');
    const flag = argument.startsWith('--') ? [name!.replaceAll('_', '-'), ...rest].join('=') : argument;
    if (flag === '--no-cuda') return '--no-cuda=true';
    return /^(True|False)$/.test(flag) ? flag.toLowerCase() : flag;
  });
}

/** The command comes first: `--json train` is `train --json`; `help train`, `version` and nothing at all are flags. */
export function commandFirst(argv: readonly string[]): string[] {
  const [first = 'help', ...rest] = argv;
  if (first === 'help') return [...rest, '--help'];
  if (first === 'version') return ['--version'];
  const at = first === '--get-yargs-completions' ? 0 : argv.findIndex((word) => !word.startsWith('-'));
  return at > 0 ? [...argv.slice(at), ...argv.slice(0, at)] : [...argv];
}

/** Commands that several processes can run together. */
export const RANKED: readonly string[] = ['train', 'search', 'retrain', 'evaluate'];

/** "launch --nproc 2 train ..." as yargs reads it: what belongs to the other command stands behind --. */
export function withSeparator(argv: readonly string[]): string[] {
  if (argv[0] !== 'launch') return [...argv];
  const at = argv.findIndex((word, i) => i > 0 && (word === '--' || RANKED.includes(word)));
  return at < 0 || argv[at] === '--' ? [...argv] : [...argv.slice(0, at), '--', ...argv.slice(at)];
}
