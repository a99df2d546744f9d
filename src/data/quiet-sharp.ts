type SharpModule = typeof import('sharp');

/** Number of uses at this time; their settings are those of the process. */
let users = 0;
let restore: () => void = () => undefined;

/**
 * Runs sharp with one thread an image and no cache, for many images at once. The settings of the process come back
 * after the last of several uses.
 */
export async function withQuietSharp<T>(work: (sharp: SharpModule) => Promise<T>): Promise<T> {
  const { default: sharp } = await import('sharp');
  if (users++ === 0) restore = quiet(sharp);
  try {
    return await work(sharp);
  } finally {
    if (--users === 0) restore();
  }
}

/** Returns a function that sets the earlier settings. */
function quiet(sharp: SharpModule): () => void {
  const threads = sharp.concurrency();
  const { memory, files, items } = sharp.cache();
  sharp.concurrency(1);
  sharp.cache(false);
  return () => {
    sharp.concurrency(threads);
    sharp.cache({ memory: memory.max, files: files.max, items: items.max });
  };
}
