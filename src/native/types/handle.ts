export interface NativeHandle {
  readonly disposed: boolean;
  dispose(): void;
  [Symbol.dispose](): void;
}
