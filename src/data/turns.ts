/** Separates work that may overlap from work that must be done alone. */
export class Turns {
  private running = 0;
  private last: Promise<unknown> = Promise.resolve();
  private idle: (() => void) | null = null;

  /** Runs beside other work, but not beside work that is done alone. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    // Other work may join while this waits.
    for (let before: Promise<unknown> | null = null; before !== this.last; await before) before = this.last;
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
      if (this.running === 0) this.idle?.();
    }
  }

  /** Waits until everything else has ended, and keeps new work waiting. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.last;
    const mine = (async () => {
      await before;
      if (this.running > 0)
        await new Promise<void>((resolve) => {
          this.idle = resolve;
        });
      this.idle = null;
      return work();
    })();
    this.last = mine.catch(() => undefined);
    return mine;
  }
}
