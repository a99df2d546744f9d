/** Makes folders. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { EarlybirdError, fileError, systemCode } from './errors';

/**
 * Makes a folder and its parents one by one, since the recursive mkdir of Node never returns where a file system such
 * as /proc takes no folders. Returns the folders that were made, the outermost first. Throws ERR_FILE.
 */
export async function makeFolder(path: string): Promise<string[]> {
  const made: string[] = [];
  await makeInto(resolve(path), path, made);
  return made;
}

/** Makes `folder` with its parents; `asked` is the path that messages name. */
async function makeInto(folder: string, asked: string, made: string[]): Promise<void> {
  if (await makeOne(folder, asked, made)) return;
  if (dirname(folder) !== folder) await makeInto(dirname(folder), asked, made);
  if (await makeOne(folder, asked, made)) return;
  throw cannotBeCreated(asked, `${dirname(folder)} takes no folders; choose another path`);
}

/** Makes one folder; false where its parent is missing. */
async function makeOne(folder: string, asked: string, made: string[]): Promise<boolean> {
  try {
    await mkdir(folder);
    made.push(folder);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return false;
    // Some systems answer EROFS or EACCES for a folder that is there.
    const there = await stat(folder).catch(() => null);
    if (there?.isDirectory()) return true;
    if (code === 'EEXIST') throw cannotBeCreated(asked, `${folder} is a file; choose another path`);
    throw fileError(error, asked, 'created');
  }
}

function cannotBeCreated(path: string, why: string): EarlybirdError {
  return new EarlybirdError('ERR_FILE', `${path} cannot be created: ${why}.`);
}
