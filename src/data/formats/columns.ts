/** Chooses the columns of images and classes in a file, where only their names tell them apart. */

/** Names of columns of labels; CIFAR-100 has coarse labels beside the fine ones. */
export const LABELS = ['fine_label', 'label', 'labels', 'cls', 'class', 'target', 'y'];
export const IMAGES = ['image', 'img', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'x', 'data'];
const MAX_LABEL = 0x7fff_ffff;

/** The name that comes first in the ranks; a name outside the ranks comes last. */
export function byRank(names: readonly string[], ranks: readonly string[]): string | undefined {
  const rankOf = (name: string) => (ranks.includes(name) ? ranks.indexOf(name) : ranks.length);
  return [...names].sort((a, b) => rankOf(a) - rankOf(b))[0];
}

/** A class number; null for any other value. */
export function labelOf(value: unknown): number | null {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= MAX_LABEL ? number : null;
}

/** Numbers classes that are given as text, in sorted order. */
export function numbered(texts: readonly string[]): { labels: number[]; classes: string[]; partial: true } {
  const classes = [...new Set(texts)].sort();
  const place = new Map(classes.map((name, i) => [name, i]));
  return { labels: texts.map((text) => place.get(text)!), classes, partial: true };
}

/** Stores pixels as a file: PPM for RGB, PGM for grey. */
export function pixmap(width: number, height: number, pixels: Uint8Array): Buffer {
  const kind = pixels.length === width * height ? 5 : 6;
  return Buffer.concat([Buffer.from(`P${kind}\n${width} ${height}\n255\n`), pixels]);
}
