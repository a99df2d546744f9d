/** Draws a mask matrix as pixels, as 160 x 160 cells make a small PNG, but megabytes of SVG. */
import type { MaskMatrix } from './input';

export interface Pixels {
  width: number;
  height: number;
  /** Red, green, blue and alpha of each pixel, row by row. */
  rgba: Uint8Array;
}

interface EpochGrid {
  /** Number of epochs from one cell to the next. */
  step: number;
  /** Number of cells on a side. */
  size: number;
  /** Outer edge of the first cell. */
  from: number;
  /** Outer edge of the last cell. */
  to: number;
}

/** The regular grid that holds all the epochs; cells of missing masks stay empty. */
export function epochGrid(epochs: number[]): EpochGrid {
  const first = epochs[0] ?? 0;
  const last = epochs.at(-1) ?? first;
  const step = epochs.slice(1).reduce((divisor, epoch, i) => gcd(divisor, epoch - epochs[i]!), 0) || 1;
  return { step, size: (last - first) / step + 1, from: first - step / 2, to: last + step / 2 };
}

/**
 * Pixels of a matrix. Distance 0 is yellow and 1 is dark violet, as in the paper; a value that is not a number stays
 * transparent.
 */
export async function matrixPixels(matrix: MaskMatrix): Promise<Pixels> {
  const colour = await distanceColours();
  const { epochs, overlap } = matrix;
  const { step, size } = epochGrid(epochs);
  const rgba = new Uint8Array(size * size * 4);
  const cell = (epoch: number) => (epoch - epochs[0]!) / step;
  epochs.forEach((rowEpoch, row) => {
    epochs.forEach((columnEpoch, column) => {
      const distance = 1 - (overlap[row * epochs.length + column] ?? Number.NaN);
      if (!Number.isNaN(distance)) rgba.set(colour(distance), 4 * (cell(rowEpoch) * size + cell(columnEpoch)));
    });
  });
  return { width: size, height: size, rgba };
}

/** The colour bar, 1 on top and 0 at the bottom. Equal masks are yellow, whether their distance is 0 or their overlap 1. */
export async function colourBarPixels(quantity: 'mask distance' | 'mask overlap', height = 256): Promise<Pixels> {
  const colour = await distanceColours();
  const rgba = new Uint8Array(height * 4);
  for (let row = 0; row < height; row++) {
    const value = 1 - row / (height - 1);
    rgba.set(colour(quantity === 'mask overlap' ? 1 - value : value), 4 * row);
  }
  return { width: 1, height, rgba };
}

export async function pngDataUri({ width, height, rgba }: Pixels): Promise<string> {
  const { default: sharp } = await import('sharp');
  const png = await sharp(rgba, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

/** Colours of distances: viridis from its light end, in 256 levels, as many as a screen can tell apart. */
async function distanceColours(): Promise<(distance: number) => Uint8Array> {
  const { scheme } = await import('vega');
  const viridis = scheme('viridis') as (at: number) => string;
  const levels = Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = viridis(1 - i / 255)
      .match(/\d+/g)!
      .map(Number);
    return Uint8Array.of(red!, green!, blue!, 255);
  });
  return (distance) => levels[Math.round(255 * Math.min(1, Math.max(0, distance)))]!;
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}
