/** The overlap matrix of a growing run, in which known masks are not compared again. */
import { overlap } from '../ticket/mask';

export class GrowingOverlap {
  private masks: readonly Uint8Array[] = [];
  private matrix = new Float64Array(0);

  /** Shares of equal bits of every two masks, shape [masks, masks], row-major. */
  of(masks: readonly Uint8Array[], channels: number): Float64Array {
    const known = this.knownOf(masks);
    const size = masks.length;
    const matrix = new Float64Array(size * size);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column <= row; column++) {
        const value =
          row < known ? this.matrix[row * this.masks.length + column]! : overlap(masks[row]!, masks[column]!, channels);
        matrix[row * size + column] = value;
        matrix[column * size + row] = value;
      }
    }
    this.masks = masks;
    this.matrix = matrix;
    return matrix;
  }

  /** Number of masks at the start that have not changed; a resumed run replaces those at the end. */
  private knownOf(masks: readonly Uint8Array[]): number {
    const changed = masks.findIndex((mask, i) => {
      const before = this.masks[i];
      return before === undefined || Buffer.compare(before, mask) !== 0;
    });
    return changed < 0 ? masks.length : changed;
  }
}
