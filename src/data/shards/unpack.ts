/** Unpacks groups of images that are not plain when an image is asked for, and keeps the last groups. */
import { type ImageGroup, lastNotAbove } from '../listing';

/** Limit in bytes of the unpacked groups that are kept. */
export const KEPT_BYTES = 512e6;

/** Unpacks one group, whose images come in their order. */
type Unpack = (group: number) => Promise<Uint8Array[]>;

/**
 * Returns a reader of images by index and position in their group. A group that is asked for again soon is not unpacked
 * again.
 */
export function unpacker(groups: readonly ImageGroup[], unpack: Unpack, most = KEPT_BYTES) {
  const kept = new Map<number, Promise<Uint8Array[]>>();
  let bytes = 0;
  const imagesOf = (group: number): Promise<Uint8Array[]> => {
    const found = kept.get(group);
    // A map keeps its keys in insertion order, so the first one was asked for longest ago.
    if (found) kept.delete(group);
    else bytes += groups[group]!.bytes;
    const images = found ?? unpack(group);
    kept.set(group, images);
    for (const old of kept.keys()) {
      if (bytes <= most || old === group) break;
      kept.delete(old);
      bytes -= groups[old]!.bytes;
    }
    return images;
  };
  return async (index: number, place: number): Promise<Buffer> => {
    const image = (await imagesOf(lastNotAbove(groups, index)))[place];
    return image ? Buffer.from(image.buffer, image.byteOffset, image.byteLength) : Buffer.alloc(0);
  };
}
