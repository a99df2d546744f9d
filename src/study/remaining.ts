/** Progress of a plan: how many runs are done, and the time that is left at the speed so far. */
import { formatDuration } from '../report/format';
import type { Part } from './parts';

export class Remaining {
  private readonly start = Date.now();
  private done = 0;
  private doneFlops = 0;
  private readonly allFlops: number;

  /** `before`: runs that were finished already. */
  constructor(
    private readonly parts: readonly Part[],
    private readonly before: number,
    private readonly jobs: number,
  ) {
    this.allFlops = parts.reduce((sum, { flops }) => sum + flops, 0);
  }

  /** A line for the log. */
  after({ name, flops }: Part, failure?: string): string {
    this.done++;
    this.doneFlops += flops;
    const seconds = (Date.now() - this.start) / 1000;
    const left = (seconds * (this.allFlops - this.doneFlops)) / this.doneFlops;
    const all = this.before + this.parts.length;
    const time = this.done < this.parts.length && this.done >= this.jobs ? `; about ${formatDuration(left)} left` : '';
    return `run ${this.before + this.done} of ${all}: ${name}: ${failure ? `failed: ${failure}` : 'done'}${time}`;
  }
}
