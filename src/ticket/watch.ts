/** One Early-Bird detector for each pruning ratio, and which tickets have emerged. */
import { type Dict, isDict, isTensor, type Value } from '../checkpoint/value';
import type { MaskResult } from '../native/types/model';
import { percentOf } from '../recipe/ratio';
import { type DetectorOptions, EarlyBird } from './detector';

export interface Emergence {
  percent: number;
  /** File number: completed epochs + 1, as the reference names EB-{percent}-{number}. */
  number: number;
}

export class TicketWatch {
  private readonly detectors: Map<number, EarlyBird>;
  private readonly found = new Map<number, number>();

  constructor(ratios: readonly number[], total: number, options: DetectorOptions) {
    this.detectors = new Map(ratios.map((ratio) => [percentOf(ratio), new EarlyBird(total, options)]));
  }

  /** Takes the masks drawn after `completed` epochs. `fresh` are the tickets that emerge here for the first time. */
  observe(
    masks: readonly MaskResult[],
    completed: number,
  ): { distances: Record<string, number[] | null>; fresh: Emergence[] } {
    const distances: Record<string, number[] | null> = {};
    const fresh: Emergence[] = [];
    for (const { ratio, bits } of masks) {
      const percent = percentOf(ratio);
      const seen = this.detectors.get(percent)!.push(bits);
      distances[percent] = seen.distances;
      if (!seen.emerged || this.found.has(percent)) continue;
      this.found.set(percent, completed + 1);
      fresh.push({ percent, number: completed + 1 });
    }
    return { distances, fresh };
  }

  /** File number of each ticket that has emerged, by percent. */
  get emerged(): Record<string, number> {
    return Object.fromEntries(this.found);
  }

  get allEmerged(): boolean {
    return this.found.size === this.detectors.size;
  }

  /** For the checkpoint: per percent the masks held and the file number, or null. */
  toValue(): Dict {
    const entries = [...this.detectors].map(([percent, detector]): [string, Value] => [
      String(percent),
      new Map<string, Value>([
        ['masks', detector.state.map((bits) => ({ dtype: 'uint8', shape: [bits.length], data: bits }))],
        ['emerged', this.found.get(percent) ?? null],
      ]),
    ]);
    return new Map(entries);
  }

  /** Takes back what toValue gave; ratios it does not know begin empty. */
  restore(value: Value | undefined): void {
    if (!isDict(value)) return;
    for (const [percent, detector] of this.detectors) {
      const state = value.get(String(percent));
      if (!isDict(state)) continue;
      const masks = state.get('masks');
      if (Array.isArray(masks)) detector.restore(masks.filter(isTensor).map(({ data }) => new Uint8Array(data)));
      const emerged = state.get('emerged');
      if (typeof emerged === 'number') this.found.set(percent, emerged);
    }
  }
}
