/** What the kinds of files that hold many images have in common. */
import type { Unread } from '../kinds';
import type { ImageGroup } from '../listing';

/** Key, place and class of each image in a file, and the pictures without a class. */
export interface ShardIndex {
  keys: string[];
  /** First byte; place in its group where the length is NOT_PLAIN. */
  offsets: number[];
  /** Bytes, or NOT_PLAIN. */
  lengths: number[];
  labels: number[];
  /** Images, by their places in these lists, that are no JPEG, or not plain. */
  others: number[];
  unread: Unread[];
  /** Names of the classes by label, where the file has them. */
  classes?: string[];
  /** The file may name a part of the classes: those of all files, sorted, are the classes. */
  partial?: boolean;
  /** Where not all images are plain: groups that cover all of them, in order. */
  groups?: ImageGroup[];
}

/** A kind of files. */
export interface Format {
  /** For messages: "parquet file". */
  title: string;
  /** Reads where the images lie. Rejects with ERR_DATASET. */
  index(file: string, size: number, signal?: AbortSignal): Promise<ShardIndex>;
  /** The images of a group, by their places in it. */
  unpack?(file: string, group: number, signal?: AbortSignal): Promise<Uint8Array[]>;
  /** Completes an index by what lies elsewhere under the folder. The result is not kept on disk. */
  complete?(root: string, index: ShardIndex, file: string): Promise<ShardIndex>;
  /** Compares a file with its checksum: a sentence where they differ. */
  check?(file: string, signal?: AbortSignal): Promise<string | null>;
}

/** A file of images. */
export interface ShardFile {
  path: string;
  format: Format;
}

/** A file of images that has been looked through. */
export interface OpenShard extends ShardFile {
  /** Its path below the root. */
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
