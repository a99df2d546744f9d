/** The part of yauzl 3 that we use; the published types are those of version 2, which had no promises. */
declare module 'yauzl' {
  import type { Readable } from 'node:stream';

  export interface Entry {
    /** Relative path without "..", with "/" at its end for a folder. */
    readonly fileName: string;
    /** Holds Unix permissions and file type in the upper half. */
    readonly externalFileAttributes: number;
    readonly uncompressedSize: number;
  }

  export interface ZipFile {
    readonly entryCount: number;
    eachEntry(): AsyncIterable<Entry>;
    openReadStreamPromise(entry: Entry): Promise<Readable>;
    close(): void;
  }

  export function openPromise(path: string, options?: { autoClose?: boolean }): Promise<ZipFile>;
}
