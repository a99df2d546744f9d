/**
 * A run's folder: which run it holds, and the files that grow with it. What is appended (metrics, masks) is on disk before the
 * checkpoint that completes the epoch, and is cut back to that checkpoint when a run resumes, so a kill at any instant loses
 * at most the epoch in progress.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { TEMP_NAME, writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';
import type { EpochMetrics } from './metrics';
import { type RecordOptions, recordText } from './record';

/** Everything a run may leave; --force removes these and nothing else. */
const OWN_FILES =
  /^(params\.json|result\.json|energy\.json|metrics\.jsonl|record\.txt|masks|report|overlap_[\d.]+\.(npy|json)|(init|checkpoint|model_best|swa|ckpt\d+|EB-\d+-\d+)\.pth\.tar)$/;
export const CHECKPOINT = 'checkpoint.pth.tar';

/** foreign: there is a checkpoint, but nothing says of which run, as in a folder of the reference. */
export type RunState = 'new' | 'interrupted' | 'finished' | 'foreign';

export interface MaskIndex {
  /** N: bits of one mask. */
  channels: number;
  /** Completed epochs at the first mask there is; earlier rows are zero. */
  first: number;
  ratios: number[];
}

export class RunDirectory {
  private constructor(readonly path: string) {}

  /**
   * Opens or creates the folder for a run with this identity (the part of the recipe that decides the result).
   * Throws ERR_RECIPE where it holds a run with another identity and `force` is not given. `force` removes what an
   * earlier run left, except `keep`.
   */
  static async open(
    path: string,
    identity: Record<string, unknown>,
    { force = false, keep }: { force?: boolean | undefined; keep?: string | undefined } = {},
  ): Promise<{ directory: RunDirectory; state: RunState }> {
    await makeFolder(path);
    const directory = new RunDirectory(path);
    // Left by writes that a kill interrupted.
    await directory.removeMatching(TEMP_NAME);
    await directory.removeMatching(TEMP_NAME, 'masks');
    if (force) await directory.removeMatching(OWN_FILES, '.', keep);
    const params = await directory.readJson<{ identity?: Record<string, unknown> }>('params.json');
    if (!params) return { directory, state: existsSync(directory.file(CHECKPOINT)) ? 'foreign' : 'new' };
    const differences = differingKeys(params.identity ?? {}, identity);
    if (differences.length > 0 && !directory.holdsWork()) {
      // Another run failed or was stopped before it had anything to lose.
      await directory.removeMatching(OWN_FILES, '.', keep);
      return { directory, state: 'new' };
    }
    if (differences.length > 0) throw otherRecipe(path, differences);
    const state = existsSync(directory.file('result.json'))
      ? 'finished'
      : existsSync(directory.file(CHECKPOINT))
        ? 'interrupted'
        : 'new';
    return { directory, state };
  }

  /** Throws ERR_RECIPE where `open` would, and changes nothing. */
  static async check(path: string, identity: Record<string, unknown>): Promise<void> {
    const directory = new RunDirectory(path);
    const params = await directory.readJson<{ identity?: Record<string, unknown> }>('params.json');
    const differences = params ? differingKeys(params.identity ?? {}, identity) : [];
    if (differences.length > 0 && directory.holdsWork()) throw otherRecipe(path, differences);
  }

  /** A folder that is only read. */
  static at(path: string): RunDirectory {
    return new RunDirectory(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** null where there is no such file. Throws ERR_FILE where it cannot be read or is no JSON. */
  async readJson<T>(name: string): Promise<T | null> {
    const path = this.file(name);
    try {
      return JSON.parse(await readFile(path, 'utf8')) as T;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      const [what, remedy] = code
        ? [`cannot be read (${code})`, 'see to its permissions']
        : ['is damaged: it is no JSON', 'restore it from a copy, or remove it'];
      throw new EarlybirdError('ERR_FILE', `${path} ${what}; ${remedy}, and run the command again.`, String(error));
    }
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(this.file(name), Buffer.from(`${JSON.stringify(value, null, 2)}\n`));
  }

  // --- metrics.jsonl, record.txt

  async readMetrics(): Promise<EpochMetrics[]> {
    return parseMetrics(await readFile(this.file('metrics.jsonl'), 'utf8').catch(() => ''));
  }

  async appendMetrics(line: EpochMetrics): Promise<void> {
    const file = await open(this.file('metrics.jsonl'), 'a');
    try {
      await file.write(`${JSON.stringify(line)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async writeRecord(epochs: number, metrics: readonly EpochMetrics[], options?: RecordOptions): Promise<void> {
    await writeFileAtomic(this.file('record.txt'), Buffer.from(recordText(epochs, metrics, options)));
  }

  // --- masks/<pct>.bits: the mask after r completed epochs is row r

  async writeMask(percent: number, row: number, bits: Uint8Array): Promise<void> {
    const file = await open(
      this.file(`masks/${percent}.bits`),
      existsSync(this.file(`masks/${percent}.bits`)) ? 'r+' : 'w',
    );
    try {
      await file.write(bits, 0, bits.length, row * bits.length);
      await file.truncate((row + 1) * bits.length);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async writeMaskIndex(index: MaskIndex): Promise<void> {
    await mkdir(this.file('masks'), { recursive: true });
    await this.writeJson('masks/index.json', index);
  }

  /** Rows of masks, from the first there is; null where this folder holds none at that ratio. */
  async readMasks(percent: number): Promise<{ index: MaskIndex; rows: Uint8Array[] } | null> {
    const index = await this.readJson<MaskIndex>('masks/index.json');
    const bytes = await readFile(this.file(`masks/${percent}.bits`)).catch(() => null);
    if (!index || !bytes) return null;
    const size = Math.ceil(index.channels / 8);
    const count = Math.floor(bytes.length / size);
    const rows = Array.from(
      { length: count },
      (_, row) => new Uint8Array(bytes.subarray(row * size, (row + 1) * size)),
    );
    return { index, rows: rows.slice(index.first) };
  }

  /**
   * The row at which the masks begin when row `completed` is written next: where they began, or that row if there are none
   * yet or some in between are missing.
   */
  async firstMask(percent: number, completed: number): Promise<number> {
    const stored = await this.readMasks(percent);
    if (!stored || stored.index.first + stored.rows.length < completed) return completed;
    return Math.min(stored.index.first, completed);
  }

  // --- resume

  /** Cuts what grows back to `completed` epochs and returns the metrics that remain. */
  async rewind(completed: number): Promise<EpochMetrics[]> {
    const metrics = (await this.readMetrics()).filter((line) => line.completed <= completed);
    await writeFileAtomic(
      this.file('metrics.jsonl'),
      Buffer.from(metrics.map((line) => `${JSON.stringify(line)}\n`).join('')),
    );
    return metrics;
  }

  /** Is there anything that took time: a checkpoint, a result, a stage of a run that has several? */
  private holdsWork(): boolean {
    return [CHECKPOINT, 'result.json', join('search', CHECKPOINT), join('retrain', CHECKPOINT)].some((name) =>
      existsSync(this.file(name)),
    );
  }

  private async removeMatching(pattern: RegExp, folder = '.', keep?: string): Promise<void> {
    // A kill in between must leave neither a result without its run nor a checkpoint without its recipe.
    const rank = (name: string) => (name === 'result.json' ? 0 : name === 'params.json' ? 2 : 1);
    const names = await readdir(this.file(folder)).catch(() => [] as string[]);
    for (const name of names.sort((a, b) => rank(a) - rank(b))) {
      const path = this.file(join(folder, name));
      if (pattern.test(name) && (keep === undefined || resolve(path) !== resolve(keep))) {
        await rm(path, { recursive: true, force: true });
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

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: Error) => {
    throw new EarlybirdError('ERR_FILE', `${path} cannot be created: choose another --save.`, String(error));
  });
}

/** Whole lines only: a kill may have torn the last one. */
export function parseMetrics(text: string): EpochMetrics[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as EpochMetrics);
}

/** "lr: 0.1 there, 0.2 now" for every key that differs. */
export function differingKeys(there: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const plain = JSON.parse(JSON.stringify(now)) as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(there), ...Object.keys(plain)])];
  const show = (value: unknown) => (value === undefined ? 'unset' : JSON.stringify(value));
  return keys
    .filter((key) => !isDeepStrictEqual(there[key], plain[key]))
    .map((key) => `${key}: ${show(there[key])} there, ${show(plain[key])} now`);
}

/** Short name of an identity, kept in checkpoints. */
export function identityHash(identity: Record<string, unknown>): string {
  const sorted = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}
