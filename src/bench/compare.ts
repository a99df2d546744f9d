/** `bench compare A.json B.json`: ratios of two results of one benchmark on one machine. */
import { readFile } from 'node:fs/promises';
import { isMachine, isOld, type Machine, machineDifferences, machineName } from '../engine/machine';
import { EarlybirdError } from '../errors';
import type { Spread } from '../measure';

interface ComparedFigure {
  /** Path of the figure in the result: "systems.earlybird.imagesPerSecond". */
  name: string;
  a: number;
  b: number;
  /** Ratio b / a of the medians. */
  ratio: number;
  /** True where the ranges of the two overlap, so that the difference may be chance. */
  overlap: boolean;
}

/** Figures that two results have in common, and the conditions that differ. */
export interface BenchComparison {
  a: string;
  b: string;
  machine: Machine;
  figures: ComparedFigure[];
  /** Other conditions that differ: versions, clocks, limits, steps, how steps were run. */
  differences: { name: string; a: string; b: string }[];
  /** Sentences on facts that the results leave unknown. */
  notes: string[];
}

/** Settings that must be the same in both results; a setting that only one of them names counts as different. */
const SETTINGS = [
  'bench',
  'model',
  'batchSize',
  'imageSize',
  'files',
  'workers',
  'device',
  'precision',
  // The precision of `bench step`, which its results hold only here.
  'systems.earlybird.runs.0.dtype',
  'systems.earlybird.dtype',
  'format',
  'bits',
  'syncBn',
  'gradientDtype',
  'busy',
  'passes',
  'quick',
  'ticket.ratio',
  'ticket.roundTo',
  'machine.threads',
  // LibTorch chose these kernels; results of older versions name them too.
  'systems.earlybird.runs.0.versions.device',
];
const UNKNOWN_SETS = 'both results are of an older version, which did not record the instruction sets of the processor';
/** Conditions that may differ; the comparison names those that do. */
const CONDITIONS = [
  'data',
  'steps',
  'rounds',
  'systems.earlybird.runs.0.engine',
  ...['earlybird', 'commit', 'node', 'libtorch', 'cuda'].map((name) => `machine.versions.${name}`),
  'machine.kernel',
  'machine.cpu.governor',
  'machine.cpu.mhz',
  ...['driver', 'clocks.sm', 'clocks.memory', 'powerLimitWatts'].map((name) => `machine.gpu.state.${name}`),
];

/**
 * Compares two files that `earlybird bench ... --json` wrote. Throws ERR_BENCH_MACHINE for results of two machines,
 * ERR_USAGE for results of different settings, ERR_FILE for other files.
 */
export async function compareBenches({ files }: { files: string[] }): Promise<BenchComparison> {
  const [a, b, ...more] = files;
  if (a === undefined || b === undefined || more.length > 0)
    throw new EarlybirdError('ERR_USAGE', 'bench compare takes two results: earlybird bench compare A.json B.json.');
  const [first, second] = [await readResult(a), await readResult(b)];
  if (first.machine.fingerprint !== second.machine.fingerprint) {
    const differences = machineDifferences(first.machine, second.machine).join(', ') || 'their fingerprints';
    throw new EarlybirdError(
      'ERR_BENCH_MACHINE',
      `${a} was measured on ${machineName(first.machine)} and ${b} on ${machineName(second.machine)}, which differ (${differences}): measure both on one machine.`,
    );
  }
  const [other] = differing(SETTINGS, first, second);
  if (other) {
    throw new EarlybirdError(
      'ERR_USAGE',
      `${a} has ${other.name} ${other.a} and ${b} has ${other.b}: compare results of one benchmark with the same settings.`,
    );
  }
  const after = new Map(spreadsOf(second));
  const figures = [...spreadsOf(first)].flatMap(([name, x]) => {
    const y = after.get(name);
    if (!y) return [];
    return [
      { name, a: x.median, b: y.median, ratio: y.median / x.median, overlap: x.low <= y.high && y.low <= x.high },
    ];
  });
  if (figures.length === 0)
    throw new EarlybirdError(
      'ERR_USAGE',
      `${a} and ${b} have no figure in common: give results of the same benchmark.`,
    );
  const notes = isOld(second.machine) ? [UNKNOWN_SETS] : [];
  return { a, b, machine: second.machine, figures, differences: differing(CONDITIONS, first, second), notes };
}

type BenchFile = { machine: Machine };

function differing(paths: readonly string[], first: BenchFile, second: BenchFile): BenchComparison['differences'] {
  const at = (value: BenchFile, path: string) =>
    String(
      path.split('.').reduce<unknown>((part, key) => (part as Record<string, unknown> | null)?.[key], value) ?? '-',
    );
  return paths
    .map((name) => ({ name, a: at(first, name), b: at(second, name) }))
    .filter((setting) => setting.a !== setting.b);
}

async function readResult(path: string): Promise<BenchFile> {
  const bad = (why: string) =>
    new EarlybirdError('ERR_FILE', `${path} ${why}: give a file that "earlybird bench ... --json" wrote.`);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw bad(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const value = JSON.parse(text) as BenchFile | null;
    if (!isMachine(value?.machine)) throw new Error();
    return value!;
  } catch {
    throw bad('is not a result of a benchmark that names its machine');
  }
}

/**
 * Yields every measured figure by its path, with list elements by their `name`. Single runs are left out, as other
 * figures include them.
 */
function* spreadsOf(value: unknown, path = ''): Generator<[string, Spread]> {
  if (typeof value !== 'object' || value === null) return;
  const { median, low, high } = value as Partial<Spread>;
  if (typeof median === 'number' && typeof low === 'number' && typeof high === 'number') {
    yield [path, { median, low, high }];
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === 'runs' || key === 'machine') continue;
    const name = Array.isArray(value) ? ((item as { name?: string } | null)?.name ?? key) : key;
    yield* spreadsOf(item, path ? `${path}.${name}` : name);
  }
}
