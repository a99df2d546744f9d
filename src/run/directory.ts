/**
 * The folder of a run: the identity of the run, and the files that grow with it. Metrics and masks are on disk before
 * the checkpoint that completes their epoch, and are cut back to that checkpoint when a run resumes, so a kill at any
 * instant loses at most the epoch in progress.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sweep, writeFileAtomic } from '../atomic';
import { EarlybirdError, onDisk, systemCode } from '../errors';
import { makeFolder } from '../folder';
import type { FolderLock } from '../lock';
import type { NetworkData } from '../native/types/network-data';
import { flagOf } from '../recipe/option';
import { differing, isContinuable } from './changes';
import { LIVE } from './live';
import type { EpochMetrics } from './metrics';
import { maskFile, stepMaskFile } from './names';
import { type RecordOptions, recordText } from './record';
import { damagedFile, parseMetrics, parseStored } from './stored';

/** Names of all files of a run, which are the only ones that --force removes. */
const OWN_FILES =
  /^(params\.json|result\.json|energy\.json|metrics\.jsonl|record\.txt|masks|report|overlap_[\d.]+\.(npy|json)|events\.out\.tfevents\.\d+\.earlybird|(init|checkpoint|inside-epoch|model_best|swa|ckpt\d+|EB-\d+-\d+)\.pth\.tar)$/;
const isOwn = (name: string) => OWN_FILES.test(name);
/** Name of the checkpoint to resume from. */
export const CHECKPOINT = 'checkpoint.pth.tar';
/** Name of the checkpoint inside an epoch (--checkpoint-every), which exists only meanwhile. */
export const INSIDE_EPOCH = 'inside-epoch.pth.tar';

/** Paths of the checkpoints from which a run, or a stage of one, continues. */
const CHECKPOINTS = [CHECKPOINT, INSIDE_EPOCH].flatMap((name) => [name, join('search', name), join('retrain', name)]);

/** foreign: a checkpoint without the params.json of its run, as in a folder of the reference. */
/** continued: a run whose options changed in a way that keeps its work (changes.ts). */
export type RunState = 'new' | 'interrupted' | 'finished' | 'foreign' | 'continued';

/** Contents of masks/index.json. */
export interface MaskIndex {
  /** Number N of bits of one mask. */
  channels: number;
  /** Completed epochs of the first mask; earlier rows of the files are zero. */
  first: number;
  ratios: number[];
  /** Number of channels of each layer, in the order of the bits. Absent in runs of earlier versions. */
  layers?: number[];
  /**
   * Masks inside epochs (--mask-every). Row (e, i) of their files, i < `stopsInside`, was drawn after (i + 1) * every
   * steps of epoch e.
   */
  steps?: { every: number; batches: number };
}

/** Number of masks that are stored inside an epoch; the mask at its end is stored as that of the epoch. */
export const stopsInside = ({ every, batches }: { every: number; batches: number }) => Math.ceil(batches / every) - 1;

/** Throws ERR_FILE for a missing folder, before a lock would make it. */
export function requireFolder(folder: string): void {
  if (!existsSync(folder)) throw new EarlybirdError('ERR_FILE', `${folder} does not exist: check the path.`);
}

/** The folder of a search, also where `train` made it as SAVE/search. */
export function searchFolderOf(folder: string): string {
  const within = join(folder, 'search');
  return existsSync(join(within, 'params.json')) && !existsSync(join(folder, 'metrics.jsonl')) ? within : folder;
}

export class RunDirectory {
  private constructor(readonly path: string) {}

  /**
   * Opens a locked folder for a run with this identity (the part of the recipe that decides the result). `force` removes the files of
   * an earlier run, except `keep`. Throws ERR_RECIPE where the folder holds a run with another identity.
   */
  static async open(
    lock: FolderLock,
    identity: Record<string, unknown>,
    { force = false, keep }: { force?: boolean | undefined; keep?: string | undefined } = {},
  ): Promise<{ directory: RunDirectory; state: RunState }> {
    const path = lock.folder;
    const directory = new RunDirectory(path);
    if (lock.writable) {
      await sweep(path);
      await directory.remove((name) => name === LIVE);
    }
    if (!force && directory.has('result.json') && (await directory.isOf(identity)))
      return { directory, state: 'finished' };
    lock.requireWritable();
    if (force) await directory.remove(isOwn, keep);
    const before = await directory.identity();
    if (!before) return { directory, state: directory.has(CHECKPOINT) ? 'foreign' : 'new' };
    if (differing(before, identity).length > 0) {
      if (directory.canBecome(before, identity)) return { directory, state: 'continued' };
      if (directory.holdsWork()) throw otherRecipe(path, differingKeys(before, identity));
      // The earlier run failed or was stopped before it had anything to lose.
      await directory.remove(isOwn, keep);
      return { directory, state: 'new' };
    }
    return { directory, state: [CHECKPOINT, INSIDE_EPOCH].some((name) => directory.has(name)) ? 'interrupted' : 'new' };
  }

  /** Throws ERR_RECIPE where `open` would, without changing anything. */
  static async check(path: string, identity: Record<string, unknown>): Promise<void> {
    const directory = new RunDirectory(path);
    const before = (await directory.identity()) ?? identity;
    const isOther = differing(before, identity).length > 0;
    if (isOther && directory.holdsWork() && !directory.canBecome(before, identity))
      throw otherRecipe(path, differingKeys(before, identity));
  }

  /** A folder to read, or one that is known to exist. */
  static at(path: string): RunDirectory {
    return new RunDirectory(path);
  }

  /** The identity of the run in the folder; null where it holds no run. */
  private async identity(): Promise<Record<string, unknown> | null> {
    const params = await this.readJson<{ identity?: Record<string, unknown> }>('params.json');
    return params && (params.identity ?? {});
  }

  private async isOf(identity: Record<string, unknown>): Promise<boolean> {
    const there = await this.identity();
    return there !== null && differing(there, identity).length === 0;
  }

  private canBecome(before: Record<string, unknown>, now: Record<string, unknown>): boolean {
    return CHECKPOINTS.some((name) => this.has(name)) && isContinuable(before, now);
  }

  private has(name: string): boolean {
    return existsSync(this.file(name));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Reads a JSON file; null where it is absent. Throws ERR_FILE where it cannot be read or is damaged. */
  async readJson<T>(name: string): Promise<T | null> {
    const path = this.file(name);
    const bytes = await contentsOf(path);
    return bytes && (parseStored(bytes.toString('utf8'), name, path) as T);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(this.file(name), Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  }

  // --- metrics.jsonl, record.txt

  async readMetrics(): Promise<EpochMetrics[]> {
    const path = this.file('metrics.jsonl');
    return parseMetrics((await contentsOf(path))?.toString('utf8') ?? '', path);
  }

  async appendMetrics(line: EpochMetrics): Promise<void> {
    await onDisk(this.file('metrics.jsonl'), 'written', async () => {
      await using file = await open(this.file('metrics.jsonl'), 'a');
      await file.appendFile(`${JSON.stringify(line)}\n`);
      await file.sync();
    });
  }

  async writeMetrics(lines: EpochMetrics[]): Promise<EpochMetrics[]> {
    await writeFileAtomic(this.file('metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return lines;
  }

  async writeRecord(epochs: number, metrics: readonly EpochMetrics[], options?: RecordOptions): Promise<void> {
    await writeFileAtomic(this.file('record.txt'), Buffer.from(recordText(epochs, metrics, options)));
  }

  // --- masks: the mask after r completed epochs is row r

  async writeMask(ratio: number, row: number, bits: Uint8Array, name = maskFile(ratio)): Promise<void> {
    await onDisk(this.file(name), 'written', async () => {
      await using file = await open(this.file(name), this.has(name) ? 'r+' : 'w');
      await file.write(bits, 0, bits.length, row * bits.length);
      await file.truncate((row + 1) * bits.length);
      await file.sync();
    });
  }

  async writeMaskIndex(index: MaskIndex): Promise<void> {
    await makeFolder(this.file('masks'));
    await this.writeJson('masks/index.json', index);
  }

  /** Reads masks/index.json; null where no masks are stored. */
  readMaskIndex(): Promise<MaskIndex | null> {
    return this.readJson<MaskIndex>('masks/index.json');
  }

  /** Reads the masks from the first one on; null where this folder holds none at that ratio. */
  async readMasks(ratio: number): Promise<{ index: MaskIndex; rows: Uint8Array[] } | null> {
    const index = await this.readMaskIndex();
    const rows = index && (await this.maskRows(maskFile(ratio), index));
    return rows && { index: index!, rows: rows.slice(index!.first) };
  }

  /**
   * Reads masks inside epochs, by the number of completed epochs as a fraction; null where none are stored at that
   * ratio.
   */
  async readStepMasks(ratio: number): Promise<Map<number, Uint8Array> | null> {
    const index = await this.readMaskIndex();
    const rows = index?.steps && (await this.maskRows(stepMaskFile(ratio), index));
    if (!rows) return null;
    const { every, batches } = index!.steps!;
    const perEpoch = stopsInside(index!.steps!);
    // Rows of epochs before the first one are zero, as are rows of steps without images.
    const drawn = rows.flatMap((mask, row) => (mask.some((byte) => byte !== 0) ? [{ mask, row }] : []));
    const after = (row: number) => Math.floor(row / perEpoch) + (((row % perEpoch) + 1) * every) / batches;
    return new Map(drawn.map(({ mask, row }) => [after(row), mask]));
  }

  private async maskRows(name: string, { channels }: MaskIndex): Promise<Uint8Array[] | null> {
    const bytes = await contentsOf(this.file(name));
    if (!bytes) return null;
    const size = Math.ceil(channels / 8);
    // A kill may have cut the last row.
    return Array.from({ length: Math.floor(bytes.length / size) }, (_, row) => {
      const mask = new Uint8Array(bytes.subarray(row * size, (row + 1) * size));
      if ((mask.at(-1)! << (channels % 8 || 8)) & 0xff)
        throw damagedFile(this.file(name), `row ${row + 1} has bits beyond its ${channels} channels`);
      return mask;
    });
  }

  /**
   * The row at which the masks begin when row `completed` is written next: where they began so far, or this row where
   * there are none yet or some in between are missing.
   */
  async firstMask(ratio: number, completed: number): Promise<number> {
    const stored = await this.readMasks(ratio);
    if (!stored || stored.index.first + stored.rows.length < completed) return completed;
    return Math.min(stored.index.first, completed);
  }

  // --- resume

  /** Cuts the metrics back to `completed` epochs and returns those that remain. */
  async rewind(completed: number): Promise<EpochMetrics[]> {
    return this.writeMetrics((await this.readMetrics()).filter((line) => line.completed <= completed));
  }

  /** True where the folder holds a result of work: a checkpoint, a result, or a stage of a run that has several. */
  private holdsWork(): boolean {
    return ['result.json', ...CHECKPOINTS].some((name) => this.has(name));
  }

  /** Removes the files of a run that failed before any of its stages began. */
  async forgetUnbegun(): Promise<void> {
    const names = (await readdir(this.path)).filter((name) => !name.startsWith('.'));
    if (names.length === 1 && names[0] === 'params.json') await rm(this.file('params.json'), { force: true });
  }

  private async remove(isIt: (name: string) => boolean, keep?: string): Promise<void> {
    // A kill in the middle must leave neither a result without its run nor a checkpoint without its recipe.
    const rank = (name: string) => (name === 'result.json' ? 0 : name === 'params.json' ? 2 : 1);
    const names = await readdir(this.path).catch(() => [] as string[]);
    for (const name of names.sort((a, b) => rank(a) - rank(b))) {
      const path = this.file(name);
      if (isIt(name) && (keep === undefined || resolve(path) !== resolve(keep))) {
        await onDisk(path, 'removed', () => rm(path, { recursive: true, force: true }));
      }
    }
  }
}

function otherRecipe(path: string, differences: string[]): EarlybirdError {
  return new EarlybirdError(
    'ERR_RECIPE',
    `${path} holds a run with another recipe (${differences.join('; ')}): choose another --save, or give --force to start over.`,
  );
}

/** Contents of a file; null where it is absent. Throws ERR_FILE where it cannot be read. */
async function contentsOf(path: string): Promise<Buffer | null> {
  return onDisk(path, 'read', () =>
    readFile(path).catch((error) => {
      if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return null;
      throw error;
    }),
  );
}

/** Describes every key that differs: "--lr: 0.1 there, 0.2 now". */
export function differingKeys(there: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const show = (value: unknown) =>
    value === undefined ? 'unset' : isNetwork(value) ? nameOf(value) : JSON.stringify(value);
  return differing(there, now).map((key) => `--${flagOf(key)}: ${show(there[key])} there, ${show(now[key])} now`);
}

const isNetwork = (value: unknown): value is NetworkData => (value as NetworkData | null)?.layers !== undefined;

/** Name of a network with a hash, which tells networks of one name apart. */
const nameOf = (network: NetworkData) => `${network.name} (${hashOf(network)})`;

const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** Short name of an identity, stored in checkpoints. */
export function identityHash(identity: Record<string, unknown>): string {
  const sorted = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOf(sorted);
}
