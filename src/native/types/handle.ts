/** An object that owns native memory. */
export interface NativeHandle {
  readonly disposed: boolean;
  /**
   * Frees the native memory, as soon as a running job lets go of it; an epoch or evaluation of this handle that is running is
   * cancelled. May be called twice. Later calls of other methods reject with ERR_DISPOSED.
   */
  dispose(): void;
  [Symbol.dispose](): void;
}
