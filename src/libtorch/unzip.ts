import { createWriteStream } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';

const FILE_TYPE = 0o170000;
const SYMLINK = 0o120000;

/** Unpacks a zip archive into a folder. yauzl refuses names that would leave the folder. */
export async function unzip(file: string, folder: string, signal?: AbortSignal): Promise<void> {
  const zip = await openPromise(file, { autoClose: false });
  // Links come last, so that no file is written through one.
  const links: { path: string; target: string }[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      const path = join(folder, entry.fileName);
      const mode = entry.externalFileAttributes >>> 16;
      await mkdir(entry.fileName.endsWith('/') ? path : dirname(path), { recursive: true });
      if (entry.fileName.endsWith('/')) continue;
      const bytes = await zip.openReadStreamPromise(entry);
      if ((mode & FILE_TYPE) === SYMLINK) links.push({ path, target: await text(bytes) });
      else await pipeline(bytes, createWriteStream(path, { mode: mode & 0o111 ? 0o755 : 0o644 }), { signal });
    }
    for (const { path, target } of links) await symlink(target, path);
  } finally {
    zip.close();
  }
}
