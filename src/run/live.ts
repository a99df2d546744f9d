/**
 * Writes the progress inside an epoch to a small file in the run's folder during training, for programs that watch from
 * outside.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Observer } from './observer';

/** Name of the file, beside the lock of the run; the end of the run removes both. */
export const LIVE = '.earlybird-live.json';

/** Progress of a run at one moment. */
export interface LiveProgress {
  /** Name of the phase: "search", "retrain". */
  phase: string;
  /** Index of the epoch. */
  epoch: number;
  /** Number of epochs. */
  epochs: number;
  pass: 'train' | 'test' | 'swa';
  step: number;
  steps: number;
  /** Seconds of the pass so far. */
  seconds: number;
  imagesPerSecond: number;
  loss: number | null;
  /** Top-1 in percent. */
  top1: number | null;
}

/** Least milliseconds between two writes. */
const EVERY = 2000;

/**
 * Passes all calls on to `observer`, and writes the file. A disk that no longer accepts it does not stop a training.
 */
export class LiveFile implements Disposable {
  private readonly file: string;
  private run = { phase: '', epoch: 0, epochs: 0 };
  private written = 0;

  constructor(
    folder: string,
    private readonly to: Observer = {},
  ) {
    this.file = join(folder, LIVE);
    this.remove();
  }

  get observer(): Observer {
    const { to } = this;
    return {
      log: (line) => to.log?.(line),
      metrics: (line) => to.metrics?.(line),
      epoch: (info) => {
        this.run = info;
        to.epoch?.(info);
      },
      progress: (pass, progress) => {
        const { phase, epoch, epochs } = this.run;
        const { step, steps, images, seconds, loss, top1 } = progress;
        const imagesPerSecond = seconds > 0 ? images / seconds : 0;
        this.write({ phase, epoch, epochs, pass, step, steps, seconds, imagesPerSecond, loss, top1 });
        to.progress?.(pass, progress);
      },
    };
  }

  [Symbol.dispose](): void {
    this.remove();
  }

  private remove(): void {
    quietly(() => rmSync(this.file, { force: true }));
  }

  private write(moment: LiveProgress): void {
    if (Date.now() - this.written < EVERY) return;
    this.written = Date.now();
    quietly(() => writeFileSync(this.file, JSON.stringify(moment)));
  }
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // A failure is ignored, as no result depends on this file.
  }
}
