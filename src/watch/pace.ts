/** Keeps a server from taking processor time from the runs that it watches. */

/** Milliseconds of processor time that may be taken at once. */
const BURST = 300;

/**
 * Tells when there is processor time for work that can wait, by a bucket that this process fills and that leaks at its
 * share.
 */
export class Pace {
  private level = 0;
  private at: number;
  private spentThen: number;

  /** @param share share of one core, from 0 to 1 */
  constructor(
    private readonly share: number,
    private readonly now: () => number = () => performance.now(),
    private readonly spent: () => number = cpuMilliseconds,
  ) {
    this.at = now();
    this.spentThen = spent();
  }

  /** False where this process has taken more than its share. */
  get isReady(): boolean {
    const [now, spent] = [this.now(), this.spent()];
    this.level = Math.max(0, this.level + spent - this.spentThen - this.share * (now - this.at));
    this.at = now;
    this.spentThen = spent;
    return this.level < BURST;
  }
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
