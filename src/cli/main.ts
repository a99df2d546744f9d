#!/usr/bin/env node
/**
 * The command line: a table of commands, strict parsing, errors and exit codes. A command's code is loaded only when
 * the command is named.
 */
import './node-version';

import { EarlybirdError, type ErrorCode, fileError } from '../errors';
import { packageVersion } from '../package';
import { commandFirst, normaliseArguments, PARSER, withSeparator } from './arguments';
import type { Command } from './command';
import { ABOUT, COMMANDS, COMPLETION, frontText } from './front';
import { INTERRUPTED } from './interrupt';
import { nearest } from './nearest';

async function main(argv: string[]): Promise<void> {
  const asked = argv.find((argument) => COMMANDS.some(([name]) => name === argument));
  checkFirst(argv[0]!, asked);
  const front = frontText(argv, Math.min(120, process.stdout.columns ?? 120));
  if (front !== null) {
    process.stdout.write(front);
    return;
  }
  const { default: yargs } = await import('yargs/yargs');
  const hint = asked === undefined ? 'earlybird --help' : `earlybird ${asked} --help`;
  const cli = yargs(argv)
    .scriptName('earlybird')
    .usage(ABOUT)
    .parserConfiguration(PARSER)
    .help('help', 'Show this text')
    .alias('help', 'h')
    .version(packageVersion())
    .alias('version', 'V')
    .group(['help', 'version'], 'Other:')
    .updateStrings({ 'Not enough arguments following: %s': '--%s needs a value' })
    .strictCommands()
    .demandCommand(1, 'Which command?')
    .recommendCommands()
    .wrap(Math.min(120, process.stdout.columns ?? 120))
    .exitProcess(false)
    .fail((message, error) => {
      // An error of yargs itself is one of usage; any other comes from a command.
      if (error && error.name !== 'YError') throw error;
      throw new EarlybirdError('ERR_USAGE', `${(message ?? error.message).replaceAll('\n', ' ')} (see ${hint})`);
    });
  for (const [name, describe] of COMMANDS) {
    if (name === asked) cli.command((require(`./commands/${name}`)[name] as Command)(name, describe));
    else cli.command(name, describe);
  }
  cli.completion(...COMPLETION);
  await cli.parseAsync();
}

/**
 * Throws ERR_USAGE where the first word is neither a flag nor a command. `asked`: a command further on, behind a flag
 * that took its place.
 */
function checkFirst(first: string, asked: string | undefined): void {
  const names = [...COMMANDS, COMPLETION].map(([name]) => name);
  if (first.startsWith('-') || names.includes(first)) return;
  const near = nearest(first, names);
  const advice = near ? `did you mean ${near}?` : 'earlybird --help lists them.';
  throw new EarlybirdError(
    'ERR_USAGE',
    `${first} is not a command: ${asked ? `put the command first, as in earlybird ${asked} --flag ...` : advice}`,
  );
}

const USAGE_CODES: ErrorCode[] = ['ERR_USAGE', 'ERR_RECIPE'];

/** Prints an error and returns the exit code: 1 failed, 2 bad usage, 130 interrupted. */
function report(thrown: unknown, json: boolean): number {
  const { path = 'A file' } = thrown as NodeJS.ErrnoException;
  const error = fileError(thrown, path, 'read or written');
  const { code = 'ERR_INTERNAL', message, detail, stack } = error as Partial<EarlybirdError> & Error;
  if (json) process.stderr.write(`${JSON.stringify({ error: { code, message, detail } })}\n`);
  else process.stderr.write(`earlybird: ${message} [${code}]\n${code === 'ERR_INTERNAL' ? `${stack}\n` : ''}`);
  if (code === 'ERR_ABORTED') return INTERRUPTED;
  return USAGE_CODES.includes(code as ErrorCode) ? 2 : 1;
}

async function start(): Promise<void> {
  // A log on a full disk, or a reader that has closed its end, stops no training: its results are in its folder.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const raw = process.argv.slice(2);
  try {
    await main(withSeparator(commandFirst(normaliseArguments(raw))));
  } catch (error) {
    process.exitCode = report(error, raw.includes('--json'));
  }
}

void start();
