#!/usr/bin/env node
/** The command line: a table of commands, strict parsing, errors and exit codes. A command's code is loaded when it is asked for. */
import type { CommandModule } from 'yargs';
import { EarlybirdError, type ErrorCode } from '../errors';
import { packageVersion } from '../package';
import { normaliseArguments, PARSER } from './arguments';
import { INTERRUPTED } from './interrupt';

/** Name, description, module. Kept here in words, so that --help loads none of them. */
const COMMANDS: [name: string, describe: string, load: () => { command: CommandModule<object, never> }][] = [
  ['search', 'Train the dense network and save Early-Bird tickets as they emerge', () => require('./commands/search')],
  ['prune', 'Cut a ticket out of a checkpoint', () => require('./commands/prune')],
  ['retrain', 'Train a ticket on', () => require('./commands/retrain')],
  ['train', 'All of it in one go: search, prune, retrain, report', () => require('./commands/train')],
  ['evaluate', 'Test a checkpoint', () => require('./commands/evaluate')],
  ['distance', 'Write the mask-distance matrix of a run', () => require('./commands/distance')],
  ['plot', 'Draw mask-distance matrices, or accuracy against drawing epoch', () => require('./commands/plot')],
  [
    'bench',
    'Time the training step or the image loader, alone or beside a PyTorch peer, or compare what methods cost',
    () => require('./commands/bench'),
  ],
  ['data', 'Fetch, check and pack datasets', () => require('./commands/data')],
  ['inspect', 'Show what is in a checkpoint', () => require('./commands/inspect')],
  [
    'doctor',
    'Show what was found on this machine, and how to repair what is wrong',
    () => require('./commands/doctor'),
  ],
  ['libtorch', 'Find or fetch LibTorch', () => require('./commands/libtorch')],
];

async function main(argv: string[]): Promise<void> {
  const { default: yargs } = await import('yargs/yargs');
  const asked = argv.find((argument) => COMMANDS.some(([name]) => name === argument));
  let cli = yargs(argv)
    .scriptName('earlybird')
    .usage('$0 <command>\n\nFinds Early-Bird tickets, prunes them out and trains only the small network.')
    .parserConfiguration(PARSER)
    .version(packageVersion())
    .strict()
    .demandCommand(1, 'Which command?')
    .recommendCommands()
    .wrap(Math.min(120, process.stdout.columns ?? 120))
    .exitProcess(false)
    .fail((message, error) => {
      // An error of yargs itself is one of usage; others come from a command.
      if (error && error.name !== 'YError') throw error;
      const hint = asked === undefined ? 'earlybird --help' : `earlybird ${asked} --help`;
      throw new EarlybirdError('ERR_USAGE', `${(message ?? error.message).replaceAll('\n', ' ')} (see ${hint})`);
    });
  for (const [name, describe, load] of COMMANDS) {
    cli = name === asked ? cli.command(load().command) : cli.command(name, describe, {}, misplaced);
  }
  await cli.parseAsync();
}

/** Only the first word that is a command has its code loaded; another one can run only if a flag's value was taken for it. */
function misplaced(): never {
  throw new EarlybirdError('ERR_USAGE', 'Put the command before its flags: earlybird <command> --flag ...');
}

const USAGE_CODES: ErrorCode[] = ['ERR_USAGE', 'ERR_RECIPE'];

/** Exit codes: 1 failed, 2 bad usage, 130 interrupted. */
function report(error: unknown, json: boolean): number {
  const { code = 'ERR_INTERNAL', message, detail, stack } = error as Partial<EarlybirdError> & Error;
  if (json) process.stderr.write(`${JSON.stringify({ error: { code, message, detail } })}\n`);
  else process.stderr.write(`earlybird: ${message} [${code}]\n${code === 'ERR_INTERNAL' ? `${stack}\n` : ''}`);
  if (code === 'ERR_ABORTED') return INTERRUPTED;
  return USAGE_CODES.includes(code as ErrorCode) ? 2 : 1;
}

async function start(): Promise<void> {
  const raw = process.argv.slice(2);
  try {
    await main(normaliseArguments(raw));
  } catch (error) {
    process.exitCode = report(error, raw.includes('--json'));
  }
}

void start();
