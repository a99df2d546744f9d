/** CIFAR-10's binary layout, in which other programs read the same pixels. */
import type { ImageSet } from '../dataset';

/** Encodes images of 32 x 32 pixels, of at most 256 classes, as a byte of label and three planes each. */
export function cifarBinary({ images, labels, count }: ImageSet): Uint8Array {
  const pixels = images.length / count / 3;
  const bytes = new Uint8Array(count * (1 + 3 * pixels));
  for (let i = 0, at = 0; i < count; i++) {
    bytes[at++] = labels[i]!;
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < pixels; pixel++) bytes[at++] = images[(i * pixels + pixel) * 3 + channel]!;
  }
  return bytes;
}
