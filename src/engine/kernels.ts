/**
 * Kernels of convolutions on the CPU: measured once on a machine, kept in the user's cache, and recorded by every run,
 * since other kernels give other last bits. The number of threads is not recorded with them, though LibTorch's own
 * kernels split some sums by it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import type { NativeAddon } from '../native/types/addon';
import type { KernelTable, WidthCosts } from '../native/types/kernels';
import type { NativeModel, PruneOptions } from '../native/types/model';
import type { Precision } from '../native/types/pass';
import { cacheFolder, packageVersion } from '../package';
import { machineFingerprint } from './machine';

/** Contents of a file of the cache. */
interface Measured {
  kernels: KernelTable;
  /** Costs of widths by precision. */
  widths: Record<string, WidthCosts>;
}

type Addon = Pick<NativeAddon, 'loaded' | 'setKernels' | 'kernels'>;
/** An Engine (device.ts, which opens the kernels). */
interface Computing {
  addon: NativeAddon;
  device: string;
  precision: Precision;
}

type Log = ((line: string) => void) | undefined;

/**
 * The value of EARLYBIRD_KERNELS: "auto" measures, "rule" does not, the name of a kernel takes it for every class that
 * has it.
 */
export const kernelMode = (): string => process.env.EARLYBIRD_KERNELS || 'auto';

/** Gives the addon the kernels measured on this machine. Throws ERR_USAGE where EARLYBIRD_KERNELS is another word. */
export function openKernels(addon: Addon): void {
  addon.setKernels({ mode: kernelMode(), known: kernelMode() === 'auto' ? readMeasured(addon).kernels : {} });
}

/**
 * Chooses the kernels of a model, which then stay fixed; those without a known answer are measured. `recorded` is the
 * table of an earlier run, which its model was made with: the log names the kernels of it that this machine lacks.
 */
export async function chooseKernels(
  { addon, device, precision }: Computing,
  model: NativeModel,
  { recorded = {}, log }: { recorded?: KernelTable; log?: Log } = {},
): Promise<KernelTable> {
  if (device !== 'cpu') return {};
  const before = addon.kernels().length;
  const table = await model.chooseKernels({ precision });
  const measured = addon.kernels();
  if (measured.length > before) {
    const kernels = Object.fromEntries(measured.map(({ class: name, kernel }) => [name, kernel]));
    await addMeasured(addon, { kernels, widths: {} }, log);
  }
  for (const [name, kernel] of Object.entries(table)) {
    if (recorded[name] !== undefined && recorded[name] !== kernel) {
      log?.(
        `warning: this run used ${recorded[name]} kernels (${name}), which this machine lacks or computes wrongly: it goes on with ` +
          `${kernel}, whose last bits differ`,
      );
    }
  }
  return table;
}

/**
 * Multiples of this are fast on every processor that we know, and on GPUs; --round-to auto takes it where nothing is
 * measured.
 */
export const USUAL_MULTIPLE = 8;

/**
 * Rounding of widths by --round-to. `auto` goes by the costs of widths on this machine, measured once; where nothing is
 * measured, as on a GPU, it means multiples of 8.
 */
export async function roundingOf(
  { addon, device, precision }: Computing,
  model: NativeModel,
  roundTo: number | 'auto',
  { log, signal }: { log?: Log; signal?: AbortSignal | undefined } = {},
): Promise<Pick<PruneOptions, 'roundTo' | 'widthCosts'>> {
  if (roundTo !== 'auto') return { roundTo };
  const widthCosts = await widthCostsOf({ addon, device, precision }, model, { log, signal });
  return widthCosts ? { widthCosts } : { roundTo: USUAL_MULTIPLE };
}

/** Costs of widths on this machine, measured once and kept; null where they are not measured, as on a GPU. */
async function widthCostsOf(
  { addon, device, precision }: Computing,
  model: NativeModel,
  { log, signal }: { log?: Log; signal?: AbortSignal | undefined } = {},
): Promise<WidthCosts | null> {
  if (device !== 'cpu' || kernelMode() === 'rule') return null;
  const known = readMeasured(addon).widths[precision] ?? {};
  const costs = await model.timeWidths({ precision, known, ...(signal && { signal }) });
  if (Object.keys(costs).length > Object.keys(known).length)
    await addMeasured(addon, { kernels: {}, widths: { [precision]: costs } }, log);
  return costs;
}

/**
 * Costs of widths for `--budget time`; undefined for another budget. Throws ERR_RECIPE where widths are not measured.
 */
export async function stepCostsOf(
  engine: Computing,
  model: NativeModel,
  budget: string,
  options: { log?: Log; signal?: AbortSignal | undefined } = {},
): Promise<WidthCosts | undefined> {
  if (budget !== 'time') return undefined;
  const costs = await widthCostsOf(engine, model, options);
  if (costs) return costs;
  throw new EarlybirdError(
    'ERR_RECIPE',
    '--budget time goes by widths that are measured on the CPU, not with a GPU or EARLYBIRD_KERNELS=rule: use --budget flops.',
  );
}

/** Table that the run of a folder recorded; empty where there is none. */
export async function recordedKernels(folder: string): Promise<KernelTable> {
  try {
    const params = JSON.parse(await readFile(join(folder, 'params.json'), 'utf8')) as { kernels?: unknown };
    return stringsOf(params.kernels);
  } catch {
    return {};
  }
}

/** Reads the measurements of this machine; empty where the file is absent or damaged, so that they are made anew. */
export function readMeasured(addon: Pick<NativeAddon, 'loaded'>): Measured {
  try {
    const { kernels, widths } = JSON.parse(readFileSync(cacheFile(addon), 'utf8')) as Record<string, unknown>;
    const entries = Object.entries(objectOf(widths)).map(([precision, costs]) => [precision, costsOf(costs)]);
    return { kernels: stringsOf(kernels), widths: Object.fromEntries(entries) };
  } catch {
    return { kernels: {}, widths: {} };
  }
}

/**
 * Adds measurements to the cache. Where another process has measured meanwhile its answer stays, and each goes on with
 * its own.
 */
export async function addMeasured(addon: Pick<NativeAddon, 'loaded'>, more: Measured, log?: Log): Promise<void> {
  const file = cacheFile(addon);
  try {
    using _lock = await lockFolder(dirname(file), { wait: 10_000 });
    const there = readMeasured(addon);
    const widths = { ...there.widths };
    for (const [precision, costs] of Object.entries(more.widths))
      widths[precision] = { ...costs, ...widths[precision] };
    const merged: Measured = { kernels: { ...more.kernels, ...there.kernels }, widths };
    await writeFileAtomic(file, `${JSON.stringify(merged, null, 2)}\n`);
  } catch (error) {
    log?.(`what was measured of the kernels is not kept: ${(error as Error).message}`);
  }
}

/** Counts what the probe times; answers of an earlier probe do not hold for this one. */
const PROBE = 2;

/** Variables by which LibTorch and oneDNN leave out instruction sets. */
const LOWERING = ['ATEN_CPU_CAPABILITY', 'ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA'];

/**
 * One file for each kind of processor, version and probe, since machines may share home folders, and for each choice of
 * instruction sets. The number of threads is no part of it, so that runs on another number take the same kernels.
 */
function cacheFile({ loaded }: Pick<NativeAddon, 'loaded'>): string {
  const lowered = LOWERING.flatMap((name) => (process.env[name] ? [`${name}=${process.env[name]}`] : []));
  const parts = [machineFingerprint(null), packageVersion(), loaded, PROBE, ...lowered];
  const name = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  return join(cacheFolder(), 'kernels', `${name}.json`);
}

const objectOf = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

const stringsOf = (value: unknown): KernelTable =>
  Object.fromEntries(Object.entries(objectOf(value)).filter(([, name]) => typeof name === 'string'));

const costsOf = (value: unknown): WidthCosts =>
  Object.fromEntries(Object.entries(objectOf(value)).filter(([, list]) => isCosts(list)));

const isCosts = (list: unknown) =>
  Array.isArray(list) && list.length === 4 && list.every((cost) => Number.isFinite(cost) && cost >= 0);
