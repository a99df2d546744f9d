/** `bench report`: the parts that scripts/bench/gpu.sh left in a folder become one JSON file, and a table of targets met and missed. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { isMachine, type Machine, machineName, machineText } from '../engine/machine';
import { EarlybirdError } from '../errors';
import type { Recipe } from '../recipe/recipe';
import { type Judged, judge } from './targets';

/** One benchmark of the round. */
export interface ReportPart {
  name: string;
  /** Exit code: 124 or 137 where its time ran out; null where it was not run. */
  status: number | null;
  seconds: number;
  result: unknown;
  /** The last line of what it wrote to stderr, where it failed. */
  failure?: string;
}

export interface BenchReport {
  bench: 'report';
  machine: Machine;
  date: string;
  targets: Judged[];
  parts: ReportPart[];
  files: { json: string; markdown: string };
}

/** Lines of name, exit code or "-", and seconds, between tabs. */
const STATUS = 'status.tsv';

export async function benchReport({ folder, out = folder }: Recipe<'benchReport'>): Promise<BenchReport> {
  const parts = await readParts(folder);
  const machine = machineOf(parts, folder);
  const date = machine.date.slice(0, 10);
  const name = `${date}-${slugOf(machine)}`;
  const files = { json: join(out, `${name}.json`), markdown: join(out, `${name}.md`) };
  const targets = judge(Object.fromEntries(parts.map((part) => [part.name, part.result])));
  const report: BenchReport = { bench: 'report', machine, date, targets, parts, files };
  await mkdir(out, { recursive: true });
  await writeFileAtomic(files.json, Buffer.from(`${JSON.stringify(report, null, 1)}\n`));
  await writeFileAtomic(files.markdown, Buffer.from(`${markdown(report)}\n`));
  return report;
}

async function readParts(folder: string): Promise<ReportPart[]> {
  const fail = (why: string) =>
    new EarlybirdError('ERR_FILE', `${folder} ${why}: give the folder that scripts/bench/gpu.sh wrote its parts to.`);
  const names = await readdir(folder).catch(() => {
    throw fail('cannot be read');
  });
  if (!names.includes(STATUS)) throw fail(`holds no ${STATUS}`);
  const lines = (await readFile(join(folder, STATUS), 'utf8')).split('\n').filter((line) => line.trim());
  const known = new Set(lines.map((line) => line.split('\t')[0]));
  const parts = await Promise.all(
    lines.map(async (line): Promise<ReportPart> => {
      const [name = '', status = '-', seconds = '0'] = line.split('\t');
      const result = status === '0' ? await readJson(join(folder, `${name}.json`)) : null;
      const failure = status === '0' ? undefined : await lastLine(join(folder, `${name}.log`));
      return {
        name,
        status: status === '-' ? null : Number(status),
        seconds: Number(seconds),
        result,
        ...(failure === undefined ? {} : { failure }),
      };
    }),
  );
  return [...parts, ...(await readBeside(folder, names, known))];
}

/** What was measured by itself and put beside the parts, as scripts/bench/full-cifar.sh does: any other result that is an object. */
async function readBeside(folder: string, files: string[], known: ReadonlySet<string | undefined>) {
  const parts: ReportPart[] = [];
  for (const file of files.filter((file) => file.endsWith('.json')).sort()) {
    const name = file.slice(0, -'.json'.length);
    const result = known.has(name) ? null : await readJson(join(folder, file));
    // A report of before lies in the folder where --out is not given.
    if (!isObject(result) || result.bench === 'report') continue;
    parts.push({ name, status: 0, seconds: typeof result.seconds === 'number' ? result.seconds : 0, result });
  }
  return parts;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is no JSON object is kept as text: the output of a test run. */
async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    return JSON.parse(text);
  } catch {
    return text.trim() || null;
  }
}

async function lastLine(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1) ?? '';
}

/** That of all parts, or ERR_BENCH_MACHINE. */
function machineOf(parts: readonly ReportPart[], folder: string): Machine {
  const machines = parts.flatMap(({ name, result }) => {
    const machine = isObject(result) ? result.machine : undefined;
    if (machine === undefined || machine === null) return [];
    if (isMachine(machine)) return [machine];
    throw new EarlybirdError(
      'ERR_FILE',
      `${join(folder, `${name}.json`)} does not say which machine it was measured on: measure it again, or take it out of the folder.`,
    );
  });
  // Loaders do not know the GPU, so that one that does speaks for all.
  const [first] = [...machines].sort((a, b) => Number(b.gpu !== null) - Number(a.gpu !== null));
  if (!first) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${folder} holds no part that succeeded, so there is nothing to report: read its .log files.`,
    );
  }
  const other = machines.find(({ fingerprint, gpu }) => gpu !== null && fingerprint !== first.fingerprint);
  if (other) {
    throw new EarlybirdError(
      'ERR_BENCH_MACHINE',
      `${folder} holds parts of ${machineName(first)} and of ${machineName(other)}: figures of two machines make no table, measure all on one.`,
    );
  }
  return first;
}

const slugOf = ({ gpu, cpu }: Machine) =>
  (gpu?.name ?? cpu.model)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');

export function targetTable(targets: readonly Judged[]): string {
  return [
    '| work | measure | target | figure | dtype: ours / peer | rounds, spread | |',
    '|---|---|---|---|---|---|---|',
    ...targets.map(
      ({ work, measure, target, shown, dtype, rounds, verdict }) =>
        `| ${[work, measure, target, shown, dtype ?? '-', rounds ?? '-', verdict].join(' | ')} |`,
    ),
  ].join('\n');
}

function markdown({ machine, date, targets, parts }: BenchReport): string {
  const status = ({ status }: ReportPart) =>
    status === 0
      ? 'done'
      : status === 124 || status === 137 // asked to end, or killed because it did not
        ? 'ran out of its time'
        : status === null
          ? 'not run'
          : `failed (${status})`;
  return [
    `# ${machineName(machine)}, ${date}`,
    '',
    '    scripts/bench/gpu.sh',
    '',
    '```',
    machineText(machine),
    '```',
    '',
    'Ratios are of one run on this machine: ours over the peer in images a second, above 1 where ours is faster.',
    '',
    targetTable(targets),
    '',
    '## Parts',
    '',
    '| part | | seconds | why not |',
    '|---|---|---|---|',
    ...parts.map(
      (part) => `| ${part.name} | ${status(part)} | ${part.seconds} | ${(part.failure ?? '').replaceAll('|', '\\|')} |`,
    ),
  ].join('\n');
}
