/** A named comparison: it passes with a remark, fails by throwing, or is skipped. */
export interface Case {
  /** Item, subject and part, for example `forward vgg16_cifar10 eval`. */
  name: string;
  /** Resolves to a short remark; throws Skip, or anything else for a failure. */
  run(): Promise<string> | string;
}

export class Skip extends Error {}

export function skipped(name: string, reason: string): Case {
  return {
    name,
    run: () => {
      throw new Skip(reason);
    },
  };
}

/** Computes once, at the first use: cases that share a loaded model do not pay for it when `--only` leaves them out. */
export function lazy<T>(make: () => T): () => T {
  let made: (() => T) | undefined;
  return () => {
    made ??= attempt(make);
    return made();
  };
}

/** Calls `make` once; every call of the result returns or throws the same. */
function attempt<T>(make: () => T): () => T {
  try {
    const value = make();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
