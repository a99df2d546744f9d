/** Checks the files of a run when they are read. The error for a damaged file names it, the line, and the remedy. */
import { z } from 'zod';
import { EarlybirdError } from '../errors';
import type { EpochMetrics } from './metrics';

const REMEDY = 'restore it from a copy, or remove it, and run the command again';

/** The ERR_FILE error for a damaged file of a run. `why` is a clause. */
export function damagedFile(path: string, why: string, detail?: unknown, remedy = REMEDY): EarlybirdError {
  return new EarlybirdError('ERR_FILE', `${path} is damaged: ${why}; ${remedy}.`, String(detail ?? why));
}

const count = z.number().int().nonnegative();
const object = z.looseObject({});
const measure = z.number().nullable();

/** Fields that readers rely on, by file name in a run's folder. Any other file must only hold an object. */
const SHAPES: Record<string, z.ZodType> = {
  'params.json': z.looseObject({
    command: z.string().optional(),
    identity: object.optional(),
    recipe: object.optional(),
    dataset: object.optional(),
  }),
  'masks/index.json': z.looseObject({
    channels: count.min(1).max(2 ** 31),
    first: count,
    ratios: z.array(z.number()).optional(),
    layers: z.array(count).optional(),
    steps: z.looseObject({ every: count.min(1), batches: count.min(1) }).optional(),
  }),
  'energy.json': z.looseObject({ sources: z.array(object), phases: z.record(z.string(), object) }),
};

/** Reads JSON that a run wrote. Throws ERR_FILE. */
export function parseStored(text: string, name: string, path: string): unknown {
  const value = parseJson(text, (line, error) => damagedFile(path, `it is not valid JSON from line ${line} on`, error));
  const { error } = (SHAPES[name] ?? object).safeParse(value);
  if (!error) return value;
  const at = error.issues[0]!.path.join('.');
  throw damagedFile(path, at ? `its entry "${at}" is not what a run writes` : 'it holds no entries', error);
}

function parseJson(text: string, refuse: (line: number, error: unknown) => EarlybirdError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(wrongLine(text.split('\n')), error);
  }
}

/**
 * Number of the first line at which the text stops being the beginning of JSON, as V8 does not always tell the
 * position.
 */
function wrongLine(lines: readonly string[]): number {
  let [good, wrong] = [0, lines.length];
  while (wrong - good > 1) {
    const middle = (good + wrong) >> 1;
    if (isBeginning(lines.slice(0, middle).join('\n'))) good = middle;
    else wrong = middle;
  }
  return wrong;
}

function isBeginning(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const at = /at position (\d+)/.exec(message)?.[1];
    return /end of JSON input/.test(message) || Number(at) >= text.length;
  }
}

const EPOCH: z.ZodType = z.looseObject({
  epoch: count,
  completed: count,
  lr: z.number(),
  train: z.looseObject({ loss: measure, lossBatchMean: measure, top1: measure, top1BatchMean: measure }),
  test: z.looseObject({ loss: measure, top1: measure, top1BatchMean: measure, top5: measure }),
  swa: z.looseObject({ top1BatchMean: measure, seconds: z.number() }).optional(),
  seconds: z.looseObject({ train: z.number(), evaluate: z.number() }),
  imagesPerSecond: z.number(),
  distances: z.record(z.string(), z.array(z.number()).nullable()),
  signals: z.record(z.string(), measure).optional(),
  emerged: z.record(z.string(), count),
});

/**
 * Reads the complete lines of metrics.jsonl; a kill may have cut the last one. Throws ERR_FILE, which names the line.
 */
export function parseMetrics(text: string, path = 'metrics.jsonl'): EpochMetrics[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line, i) => {
    const damaged = (why: string, error: unknown) =>
      damagedFile(
        path,
        `line ${i + 1} is ${why}`,
        error,
        'restore the file from a copy, or remove that line, and run the command again',
      );
    const value = parseJson(line, (_, error) => damaged('not valid JSON', error));
    const { error } = EPOCH.safeParse(value);
    if (error) throw damaged(`not of an epoch (${error.issues[0]!.path.join('.') || 'no entries'})`, error);
    return value as EpochMetrics;
  });
}
