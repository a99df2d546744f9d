/** Handles of native objects that are given back together, whatever fails on the way. */

export interface Disposable {
  dispose(): void;
}

/** Runs `work`, whose `own` takes each handle as it is made; disposes of them in reverse order. */
export async function withOwned<R>(work: (own: <T extends Disposable>(handle: T) => T) => Promise<R>): Promise<R> {
  const handles: Disposable[] = [];
  try {
    return await work((handle) => {
      handles.push(handle);
      return handle;
    });
  } finally {
    for (const handle of handles.reverse()) handle.dispose();
  }
}
