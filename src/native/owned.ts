/**
 * Disposal of native handles. A handle that serves one block is declared with `using`; these functions cover the other
 * two cases.
 */

/** A disposable for `using` that disposes of whatever `handles` holds at the end of the block, in reverse order. */
export function disposing(handles: readonly Disposable[]): Disposable {
  return {
    [Symbol.dispose]() {
      for (const handle of [...handles].reverse()) handle[Symbol.dispose]();
    },
  };
}

/** Disposes of `handle` if `work` fails. Otherwise it stays with the caller. */
export async function orDispose<R>(handle: Disposable, work: () => R | Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    handle[Symbol.dispose]();
    throw error;
  }
}
