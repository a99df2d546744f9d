/** Where a run stands inside its epoch, in a small file of its folder while it trains: for programs that look at it from outside. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Observer } from './observer';

/** Beside the lock of the run, whose end removes both. */
export const LIVE = '.earlybird-live.json';

/** A moment of a run. */
export interface LiveProgress {
  /** "search", "retrain". */
  phase: string;
  /** Epoch index, and epochs in all. */
  epoch: number;
  epochs: number;
  pass: 'train' | 'test' | 'swa';
  step: number;
  steps: number;
  /** Of the pass so far. */
  seconds: number;
  imagesPerSecond: number;
  loss: number | null;
  /** Percent. */
  top1: number | null;
}

/** Milliseconds between two moments that are written. */
const EVERY = 2000;

/** Tells `observer` what it is told, and writes the file. A disk that takes it no longer ends no training. */
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
    // What counts is in the other files.
  }
}
