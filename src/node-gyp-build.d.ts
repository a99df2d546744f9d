/** The part of node-gyp-build that is used; it has no types of its own. */
declare module 'node-gyp-build' {
  /** The file below `folder`, in build/ or prebuilds/, that fits this process; throws when there is none. */
  export function path(folder: string): string;
}
