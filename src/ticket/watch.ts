/** Follows the detector of a run at each pruning ratio, and the tickets that have emerged. */
import { type Dict, isDict, isTensor, type Value } from '../checkpoint/value';
import type { MaskResult } from '../native/types/model';
import type { ChosenDetector } from '../recipe/detectors';
import type { EpochMetrics } from '../run/metrics';
import { ratioKey } from '../run/names';
import { channelsOf, extended, type History } from './detectors/detector';
import { comparedDistances, decidingDistance } from './detectors/hamming';
import { heldBy, judge } from './detectors/table';

export interface Ticket {
  ratio: number;
  /** Number in the name of its file: completed epochs + 1, as in the reference. */
  number: number;
}

/** Detection before an epoch, as a line of metrics has it. */
export type Signals = Pick<EpochMetrics, 'distances' | 'signals'>;

/** Signal of the detector, by the key of each ratio. */
export function signalsOf({ distances, signals }: Signals): Record<string, number | null> {
  const largest = Object.entries(distances).map(([key, values]) => [key, decidingDistance(values)]);
  return signals ?? Object.fromEntries(largest);
}

interface Watched {
  ratio: number;
  history: History;
  /** Number of its ticket; null until it emerges. */
  number: number | null;
}

export class TicketWatch {
  /** State by the key of the ratio. */
  private readonly watched: Map<string, Watched>;

  /** `layers`: number of channels of each layer under the mask. */
  constructor(
    ratios: readonly number[],
    layers: readonly number[],
    readonly detector: ChosenDetector,
  ) {
    this.watched = new Map(
      ratios.map((ratio) => [ratioKey(ratio), { ratio, history: { layers, masks: [], losses: [] }, number: null }]),
    );
  }

  /**
   * Takes the masks drawn after `completed` epochs, and the training loss of the epoch before. `newTickets` are the
   * tickets that emerge now.
   */
  observe(
    masks: readonly Pick<MaskResult, 'ratio' | 'bits'>[],
    completed: number,
    loss: number | null,
  ): Signals & { newTickets: Ticket[] } {
    const { detector } = this;
    const distances: Signals['distances'] = {};
    const signals: Signals['signals'] = {};
    const newTickets: Ticket[] = [];
    for (const { ratio, bits } of masks) {
      const key = ratioKey(ratio);
      const watched = this.watched.get(key)!;
      watched.history = extended(watched.history, bits, loss, heldBy(detector));
      const { signal, fired } = judge(detector, watched.history);
      if (detector.name === 'hamming') distances[key] = this.distancesOf(watched);
      else signals[key] = signal;
      if (!fired || watched.number !== null) continue;
      watched.number = completed + 1;
      newTickets.push({ ratio: watched.ratio, number: watched.number });
    }
    return { distances, ...(detector.name === 'hamming' ? {} : { signals }), newTickets };
  }

  private distancesOf({ history: { masks, layers } }: Watched): number[] | null {
    return comparedDistances(masks, channelsOf(layers), this.detector.settings);
  }

  /** Records that the ticket at a ratio has the weights of another epoch. */
  renumber(ratio: number, number: number): void {
    this.watched.get(ratioKey(ratio))!.number = number;
  }

  /** The tickets that have emerged. */
  get tickets(): Ticket[] {
    return [...this.watched.values()].flatMap(({ ratio, number }) => (number === null ? [] : { ratio, number }));
  }

  /** Numbers of the emerged tickets by the key of the ratio, as in a line of metrics. */
  get emerged(): Record<string, number> {
    return Object.fromEntries(this.tickets.map(({ ratio, number }) => [ratioKey(ratio), number]));
  }

  get allEmerged(): boolean {
    return this.tickets.length === this.watched.size;
  }

  /**
   * State for the checkpoint: by the key of each ratio, the masks and losses held, and the number of its ticket or
   * null.
   */
  toValue(): Dict {
    const entries = [...this.watched].map(([key, { history, number }]): [string, Value] => [
      key,
      new Map<string, Value>([
        ['masks', history.masks.map((bits) => ({ dtype: 'uint8', shape: [bits.length], data: bits }))],
        ['emerged', number],
        ...(history.losses.length > 0 ? [['losses', [...history.losses]] as [string, Value]] : []),
      ]),
    ]);
    return new Map(entries);
  }

  /** Restores the state that toValue returned; ratios without one begin empty. */
  restore(value: Value | undefined): void {
    if (!isDict(value)) return;
    for (const [key, watched] of this.watched) {
      const state = value.get(key);
      if (!isDict(state)) continue;
      const [masks, losses, number] = ['masks', 'losses', 'emerged'].map((name) => state.get(name));
      watched.history = {
        layers: watched.history.layers,
        masks: Array.isArray(masks) ? masks.filter(isTensor).map(({ data }) => new Uint8Array(data)) : [],
        losses: Array.isArray(losses) ? losses.filter((loss) => typeof loss === 'number') : [],
      };
      if (typeof number === 'number') watched.number = number;
    }
  }
}
