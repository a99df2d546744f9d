/** Follows a training for its schedule of precision: the history that the schedule sees, and the current rung. */
import { type Dict, isDict, isTensor, type Value } from '../../checkpoint/value';
import type { MaskResult } from '../../native/types/model';
import type { ChosenSchedule } from '../../recipe/chosen-precision-schedule';
import type { Rung } from '../../recipe/ladder';
import { ratioKey } from '../../run/names';
import { maskDistance } from '../../ticket/mask';
import type { Seen } from './schedule';
import { scheduleNamed } from './table';

/** Facts that are new when an epoch begins. */
interface News extends Pick<Seen, 'epoch' | 'epochs' | 'drawn'> {
  /** Masks drawn from the current weights; empty in a retraining. */
  masks: readonly Pick<MaskResult, 'ratio' | 'bits' | 'kept' | 'total'>[];
  /** Training loss of the epoch before; null for the first one. */
  loss: number | null;
}

/**
 * True for the mask of equal gammas, as before training, which are all dropped. Two such masks agree, though nothing
 * has settled.
 */
const isOfTiedGammas = ({ ratio, kept, total }: News['masks'][number]) =>
  kept < (total - Math.trunc(total * ratio) - 1) / 2;

export class PrecisionWatch {
  private at: number | null = null;
  private losses: number[] = [];
  /** Newest mask, by the key of each ratio. */
  private masks = new Map<string, Uint8Array>();

  constructor(readonly chosen: ChosenSchedule) {}

  /** Rung of the running epoch; that of the run's formats before the first one. */
  get rung(): Rung {
    return this.chosen.ladder.at(this.at ?? -1)!;
  }

  /**
   * Takes the new facts. `changed`: the epoch has other formats than the one before; `distance`: as the schedule sees
   * it.
   */
  observe({ masks, loss, ...news }: News): { changed: boolean; distance: number | null } {
    const { name, ladder, ...settings } = this.chosen;
    if (loss !== null) this.losses.push(loss);
    const distance = this.distanceTo(masks);
    // Masks are copied, as a checkpoint stores a tensor that two entries share only once, and a resumed run shares
    // none.
    this.masks = new Map(masks.map(({ ratio, bits }) => [ratioKey(ratio), bits.slice()]));
    const before = this.at;
    const seen = { ...news, rung: before, losses: this.losses, distance };
    this.at = scheduleNamed(name)(seen, { ...settings, top: ladder.length - 1 });
    return { changed: this.at !== before, distance };
  }

  private distanceTo(masks: News['masks']): number | null {
    const distances = masks.map((mask) => {
      const older = this.masks.get(ratioKey(mask.ratio));
      return older && !isOfTiedGammas(mask) ? maskDistance(older, mask.bits, mask.total) : null;
    });
    return distances.length === 0 || distances.includes(null) ? null : Math.max(...(distances as number[]));
  }

  /** State for the checkpoint. */
  toValue(): Dict {
    const masks = [...this.masks].map(([key, bits]): [string, Value] => [
      key,
      { dtype: 'uint8', shape: [bits.length], data: bits },
    ]);
    return new Map<string, Value>([
      ['rung', this.at],
      ['losses', [...this.losses]],
      ['masks', new Map(masks)],
    ]);
  }

  /** Restores the state that toValue returned; without it the schedule begins anew. */
  restore(value: Value | undefined): void {
    if (!isDict(value)) return;
    const [rung, losses, masks] = ['rung', 'losses', 'masks'].map((name) => value.get(name));
    const top = this.chosen.ladder.length - 1;
    if (typeof rung === 'number') this.at = Math.min(Math.max(0, Math.trunc(rung)), top);
    if (Array.isArray(losses)) this.losses = losses.filter((loss) => typeof loss === 'number');
    if (!isDict(masks)) return;
    this.masks = new Map(
      [...masks].flatMap(([key, bits]) => (isTensor(bits) ? [[String(key), new Uint8Array(bits.data)] as const] : [])),
    );
  }
}
