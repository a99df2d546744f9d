/**
 * Runs sharp with one thread an image and no cache, for many images at once, and restores the settings of the process.
 */
export async function withQuietSharp<T>(work: (sharp: typeof import('sharp')) => Promise<T>): Promise<T> {
  const { default: sharp } = await import('sharp');
  const threads = sharp.concurrency();
  const { memory, files, items } = sharp.cache();
  sharp.concurrency(1);
  sharp.cache(false);
  try {
    return await work(sharp);
  } finally {
    sharp.concurrency(threads);
    sharp.cache({ memory: memory.max, files: files.max, items: items.max });
  }
}
