/**
 * Keeps the checkpoint of the epoch whose signal came closest to a ticket, until there is one, so that a less strict
 * detector finds its weights without training again.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { linkOrCopyAtomic } from '../atomic';
import { CHECKPOINT, type RunDirectory } from '../run/directory';
import type { EpochMetrics } from '../run/metrics';
import { checkpointFile } from '../run/names';
import type { Detector } from '../ticket/detectors/detector';
import { isCloser } from '../ticket/detectors/table';
import { signalsOf } from '../ticket/watch';

type Detection = Pick<EpochMetrics, 'epoch' | 'distances' | 'signals' | 'emerged'>;

export class ClosestMasks {
  /** Closest epoch by the key of each ratio without a ticket. */
  private readonly closest = new Map<string, { epoch: number; signal: number }>();

  /**
   * `lines`: epochs that are already complete. `isKept`: whether the checkpoint of an epoch stays anyway. `settled`:
   * side of the detector's threshold.
   */
  constructor(
    private readonly directory: RunDirectory,
    lines: readonly Detection[],
    private readonly isKept: (epoch: number) => boolean,
    private readonly settled: Detector['settled'] = 'below',
  ) {
    for (const line of lines) this.note(line);
  }

  /**
   * Takes the detection before this epoch; the latest checkpoint is on disk by then. A run that began from the file of
   * another one has none before its first epoch: its weights are where they were.
   */
  async keep(detection: Detection): Promise<void> {
    const before = this.epochs();
    this.note(detection);
    const now = this.epochs();
    const file = (epoch: number) => this.directory.file(checkpointFile(epoch));
    const latest = this.directory.file(CHECKPOINT);
    for (const epoch of now)
      if (!before.has(epoch) && !this.isKept(epoch) && existsSync(latest)) await linkOrCopyAtomic(latest, file(epoch));
    for (const epoch of before) if (!now.has(epoch) && !this.isKept(epoch)) await rm(file(epoch), { force: true });
  }

  private note({ epoch, emerged, ...detected }: Detection): void {
    for (const [key, signal] of Object.entries(signalsOf(detected))) {
      if (key in emerged) this.closest.delete(key);
      else if (signal !== null && epoch > 0 && isCloser(signal, this.closest.get(key)?.signal, this.settled))
        this.closest.set(key, { epoch: epoch - 1, signal });
    }
  }

  private epochs(): Set<number> {
    return new Set([...this.closest.values()].map(({ epoch }) => epoch));
  }
}
