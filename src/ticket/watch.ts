/** One Early-Bird detector for each pruning ratio, and the tickets that have emerged. */
import { type Dict, isDict, isTensor, type Value } from '../checkpoint/value';
import type { MaskResult } from '../native/types/model';
import { ratioKey } from '../run/names';
import { type DetectorOptions, EarlyBird } from './detector';

export interface Ticket {
  ratio: number;
  /** In the name of its file: completed epochs + 1, as in the reference. */
  number: number;
}

interface Watched {
  ratio: number;
  detector: EarlyBird;
  /** Number of its ticket; null until it emerges. */
  number: number | null;
}

export class TicketWatch {
  /** By the key of the ratio. */
  private readonly watched: Map<string, Watched>;

  constructor(ratios: readonly number[], total: number, options: DetectorOptions) {
    this.watched = new Map(
      ratios.map((ratio) => [ratioKey(ratio), { ratio, detector: new EarlyBird(total, options), number: null }]),
    );
  }

  /** Takes the masks drawn after `completed` epochs. `newTickets` are those that emerge now. */
  observe(
    masks: readonly Pick<MaskResult, 'ratio' | 'bits'>[],
    completed: number,
  ): { distances: Record<string, number[] | null>; newTickets: Ticket[] } {
    const distances: Record<string, number[] | null> = {};
    const newTickets: Ticket[] = [];
    for (const { ratio, bits } of masks) {
      const watched = this.watched.get(ratioKey(ratio))!;
      const observation = watched.detector.push(bits);
      distances[ratioKey(ratio)] = observation.distances;
      if (!observation.emerged || watched.number !== null) continue;
      watched.number = completed + 1;
      newTickets.push({ ratio: watched.ratio, number: watched.number });
    }
    return { distances, newTickets };
  }

  /** Says that the ticket at a ratio has the weights of another epoch. */
  renumber(ratio: number, number: number): void {
    this.watched.get(ratioKey(ratio))!.number = number;
  }

  /** The tickets that have emerged. */
  get tickets(): Ticket[] {
    return [...this.watched.values()].flatMap(({ ratio, number }) => (number === null ? [] : { ratio, number }));
  }

  /** Their numbers by the key of the ratio, as a line of metrics has them. */
  get emerged(): Record<string, number> {
    return Object.fromEntries(this.tickets.map(({ ratio, number }) => [ratioKey(ratio), number]));
  }

  get allEmerged(): boolean {
    return this.tickets.length === this.watched.size;
  }

  /** For the checkpoint: by the key of each ratio the masks held, and the number of its ticket or null. */
  toValue(): Dict {
    const entries = [...this.watched].map(([key, { detector, number }]): [string, Value] => [
      key,
      new Map<string, Value>([
        ['masks', detector.state.map((bits) => ({ dtype: 'uint8', shape: [bits.length], data: bits }))],
        ['emerged', number],
      ]),
    ]);
    return new Map(entries);
  }

  /** Takes back what toValue gave; ratios that are not in it begin empty. */
  restore(value: Value | undefined): void {
    if (!isDict(value)) return;
    for (const [key, watched] of this.watched) {
      const state = value.get(key);
      if (!isDict(state)) continue;
      const [masks, number] = [state.get('masks'), state.get('emerged')];
      if (Array.isArray(masks))
        watched.detector.restore(masks.filter(isTensor).map(({ data }) => new Uint8Array(data)));
      if (typeof number === 'number') watched.number = number;
    }
  }
}
