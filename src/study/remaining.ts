/** Progress of a whole plan: the number of finished runs, and the time left at the speed of this call. */
import { formatDuration } from '../report/format';
import type { Part } from './parts';

/** A number of runs and their work, in epochs of the dense network. */
export interface Work {
  runs: number;
  work: number;
}

export const workOf = (parts: readonly Pick<Part, 'work'>[]): Work => ({
  runs: parts.length,
  work: parts.reduce((sum, { work }) => sum + work, 0),
});

export class Remaining {
  private readonly start = Date.now();
  private doneWork = 0;
  private doneHere = 0;
  private before = 0;
  private left: Work = { runs: 0, work: 0 };

  constructor(private readonly jobs: number) {}

  /** Sets the plan. `finished`: runs that were finished already; `left`: known runs, and runs expected after them. */
  plan(finished: number, ...left: Work[]): void {
    this.before = finished - this.doneHere;
    this.left = {
      runs: left.reduce((sum, { runs }) => sum + runs, 0),
      work: left.reduce((sum, { work }) => sum + work, 0),
    };
  }

  /** Returns a line for the log. */
  after({ name, work }: Part, outcome: string, seconds = (Date.now() - this.start) / 1000): string {
    this.doneHere++;
    this.doneWork += work;
    this.left = { runs: this.left.runs - 1, work: this.left.work - work };
    const done = this.before + this.doneHere;
    const time = (seconds * this.left.work) / this.doneWork;
    const isTold = this.left.runs > 0 && this.doneHere >= this.jobs;
    return `run ${done} of ${done + this.left.runs}: ${name}: ${outcome}${isTold ? `; about ${formatDuration(time)} left` : ''}`;
  }
}
