import { createWriteStream } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { EarlybirdError } from '../errors';

const FILE_TYPE = 0o170000;
const FILE = 0o100000;
const FOLDER = 0o040000;
const SYMLINK = 0o120000;
/** Limits above those of a LibTorch for CUDA, which unpacks to about 5 GB in 15,000 files. */
const MOST_BYTES = 30e9;
const MOST_ENTRIES = 200_000;
/**
 * Matches the target of an allowed link, a neighbour as in libx.so to libx.so.1, so that no chain of links can leave
 * the folder.
 */
const NEIGHBOUR = /^(?!\.\.?$)[^/\0]{1,255}$/;

/** Unpacks a zip archive into a new folder, and writes nowhere else: yauzl refuses names that would leave it. Throws ERR_FILE. */
export async function unzip(file: string, folder: string, signal?: AbortSignal): Promise<void> {
  const zip = await openPromise(file, { autoClose: false });
  // Links are made last, so that no file is written through one.
  const links: { path: string; target: string }[] = [];
  let bytes = 0;
  try {
    if (zip.entryCount > MOST_ENTRIES) throw refused(file, `says that it has ${zip.entryCount} files`);
    for await (const entry of zip.eachEntry()) {
      // yauzl stops at a file that has more bytes than its entry says.
      bytes += entry.uncompressedSize;
      if (bytes > MOST_BYTES) throw refused(file, `would unpack to more than ${MOST_BYTES / 1e9} GB`);
      const path = join(folder, entry.fileName);
      const mode = entry.externalFileAttributes >>> 16;
      await mkdir(entry.fileName.endsWith('/') ? path : dirname(path), { recursive: true });
      if (entry.fileName.endsWith('/')) continue;
      // Archives made on other systems record no file type.
      if (![0, FILE, FOLDER, SYMLINK].includes(mode & FILE_TYPE))
        throw refused(file, `holds ${entry.fileName}, which is neither a file nor a folder`);
      if ((mode & FILE_TYPE) === SYMLINK) links.push({ path, target: await targetOf(zip, entry, file) });
      else
        await pipeline(
          await zip.openReadStreamPromise(entry),
          createWriteStream(path, { flags: 'wx', mode: mode & 0o111 ? 0o755 : 0o644 }),
          { signal },
        );
    }
    for (const { path, target } of links) await symlink(target, path);
  } finally {
    zip.close();
  }
}

async function targetOf(zip: ZipFile, entry: Entry, file: string): Promise<string> {
  const target = entry.uncompressedSize > 4096 ? '' : await text(await zip.openReadStreamPromise(entry));
  if (!NEIGHBOUR.test(target)) throw refused(file, `holds the link ${entry.fileName}, which leads out of its folder`);
  return target;
}

const refused = (file: string, what: string) =>
  new EarlybirdError('ERR_FILE', `${file} ${what}, as no LibTorch does: give the official .zip or .whl file.`);
