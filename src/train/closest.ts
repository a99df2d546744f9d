/**
 * Keeps the checkpoint of the epoch whose mask came closest to a ticket, until there is one: a detector that is less strict then finds
 * its weights, and nothing is trained again.
 */
import { rm } from 'node:fs/promises';
import { linkOrCopyAtomic } from '../atomic';
import { CHECKPOINT, type RunDirectory } from '../run/directory';
import type { EpochMetrics } from '../run/metrics';
import { checkpointFile } from '../run/names';

type Detection = Pick<EpochMetrics, 'epoch' | 'distances' | 'emerged'>;

/** The largest of the distances that decide; null while the window fills. */
export function decidingDistance(distances: readonly number[] | null | undefined): number | null {
  return distances ? Math.max(0, ...distances) : null;
}

export class ClosestMasks {
  /** By the key of each ratio without a ticket. */
  private readonly closest = new Map<string, { epoch: number; distance: number }>();

  /** `lines`: epochs that are complete already. `isKept`: whether the checkpoint of an epoch stays anyway. */
  constructor(
    private readonly directory: RunDirectory,
    lines: readonly Detection[],
    private readonly isKept: (epoch: number) => boolean,
  ) {
    for (const line of lines) this.note(line);
  }

  /** Takes what was detected before this epoch; the latest checkpoint is on disk. */
  async keep(detection: Detection): Promise<void> {
    const before = this.epochs();
    this.note(detection);
    const now = this.epochs();
    const file = (epoch: number) => this.directory.file(checkpointFile(epoch));
    for (const epoch of now)
      if (!before.has(epoch) && !this.isKept(epoch))
        await linkOrCopyAtomic(this.directory.file(CHECKPOINT), file(epoch));
    for (const epoch of before) if (!now.has(epoch) && !this.isKept(epoch)) await rm(file(epoch), { force: true });
  }

  private note({ epoch, distances, emerged }: Detection): void {
    for (const [key, values] of Object.entries(distances)) {
      const distance = decidingDistance(values);
      const before = this.closest.get(key)?.distance ?? Number.POSITIVE_INFINITY;
      if (key in emerged) this.closest.delete(key);
      else if (distance !== null && distance < before && epoch > 0)
        this.closest.set(key, { epoch: epoch - 1, distance });
    }
  }

  private epochs(): Set<number> {
    return new Set([...this.closest.values()].map(({ epoch }) => epoch));
  }
}
