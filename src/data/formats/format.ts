/** Types shared by the kinds of files that hold many images. */
import type { Unread } from '../kinds';
import type { ImageGroup } from '../listing';

/** Key, place and class of each image in a file, and the pictures without a class. */
export interface ShardIndex {
  keys: string[];
  /** First byte of each image; its position in its group where the length is NOT_PLAIN. */
  offsets: number[];
  /** Length of each image in bytes, or NOT_PLAIN. */
  lengths: number[];
  labels: number[];
  /** Positions in these lists of images that are not JPEG, or not plain. */
  others: number[];
  unread: Unread[];
  /** Names of the classes by label, where the file has them. */
  classes?: string[];
  /** True where the file may name only a part of the classes: those of all files, sorted, are then the classes. */
  partial?: boolean;
  /** Groups that cover all images in order, where some are not plain. */
  groups?: ImageGroup[];
}

/** A kind of files. */
export interface Format {
  /** Name of the kind for messages: "parquet file". */
  title: string;
  /** Reads the positions of the images. Rejects with ERR_DATASET. */
  index(file: string, size: number, signal?: AbortSignal): Promise<ShardIndex>;
  /** Unpacks the images of a group, in their order. */
  unpack?(file: string, group: number, signal?: AbortSignal): Promise<Uint8Array[]>;
  /** Completes an index by other files under the folder. The result is not kept on disk. */
  complete?(root: string, index: ShardIndex, file: string): Promise<ShardIndex>;
  /** Compares a file with its checksum, and returns a sentence where they differ. */
  check?(file: string, signal?: AbortSignal): Promise<string | null>;
}

/** A file of images. */
export interface ShardFile {
  path: string;
  format: Format;
}

/** A file of images with its index. */
export interface OpenShard extends ShardFile {
  /** Path below the root. */
  name: string;
  index: ShardIndex;
}

export const emptyIndex = (): ShardIndex => ({
  keys: [],
  offsets: [],
  lengths: [],
  labels: [],
  others: [],
  unread: [],
});
