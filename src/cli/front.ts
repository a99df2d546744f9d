/**
 * The text shown where no command is named: the list of commands and the version. It does without the parser of
 * options, which takes most of the start.
 */
import { packageVersion } from '../package';

/**
 * Names and descriptions; commands/<name>.ts exports the command under its name. They are data, so that --help loads no
 * command.
 */
export const COMMANDS: [name: string, describe: string][] = [
  ['train', 'All in one go: search until a ticket emerges, prune, train only the ticket, report'],
  ['search', 'Train the dense network and save Early-Bird tickets as they emerge'],
  ['prune', 'Cut a ticket out of a checkpoint: pruned.pth.tar and prune.txt'],
  ['retrain', 'Train a ticket on, with its own weights or with new ones'],
  ['evaluate', 'Test a checkpoint: top-1 and top-5'],
  ['export', 'Write a network as ONNX, safetensors or a PyTorch file, checked and timed in onnxruntime'],
  ['launch', 'Start several processes that train together on this machine'],
  ['distance', 'Write the mask-distance matrix of a run: overlap_{p}.npy'],
  ['detect', 'Say when other detectors would have drawn a ticket from stored searches'],
  ['study', 'Draw tickets at many epochs, with controls, over seeds: which ones are real; resumable'],
  ['plot', 'Draw mask-distance matrices, or accuracy against drawing epoch'],
  ['init', 'Write a recipe file with all options, their meanings and defaults'],
  ['metrics', 'Write the metrics of runs as a table, or for TensorBoard'],
  ['watch', 'Show runs as they go, on a page of this machine'],
  ['bench', 'Time this program, alone or beside PyTorch, or compare what methods cost'],
  ['data', 'Fetch, check and pack datasets'],
  ['inspect', 'Print keys, shapes and dtypes of a checkpoint, safetensors or .npy file'],
  ['doctor', 'Show what was found on this machine, and how to repair what is wrong'],
  ['libtorch', 'Show, fetch or choose the LibTorch to use'],
];
/** Name and description of a command that yargs itself provides. */
export const COMPLETION: [name: string, describe: string] = [
  'completion',
  'Print a script that completes commands and options in bash or zsh',
];
export const ABOUT =
  'earlybird <command> [options]\n\nFinds Early-Bird tickets, prunes them out and trains only the small network.';

const FLAGS: [flag: string, describe: string][] = [
  ['-h, --help', 'Show this text'],
  ['-V, --version', 'Show version number'],
];

/**
 * Text for a command line without a command, in lines of at most `width`; null where the parser has to read the line.
 */
export function frontText(argv: readonly string[], width: number): string | null {
  const asks = (...names: string[]) => argv.length === 1 && names.includes(argv[0]!);
  if (asks('--version', '-V')) return `${packageVersion()}\n`;
  if (!asks('--help', '-h')) return null;
  const commands = [...COMMANDS, COMPLETION].map(([name, describe]): [string, string] => [
    `earlybird ${name}`,
    describe,
  ]);
  return `${ABOUT}\n\nCommands:\n${table(commands, width)}\n\nOther:\n${table(FLAGS, width)}\n`;
}

/** Formats two columns; a long description continues below itself. */
function table(rows: readonly [string, string][], width: number): string {
  const first = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows
    .map(
      ([name, describe]) => `  ${name}`.padEnd(first) + wrapped(describe, width - first).join(`\n${' '.repeat(first)}`),
    )
    .join('\n');
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
