import { fileError } from '../errors';

/** ERR_FILE for an error of the file system, naming the file that the system names, else `place`; other errors as they are. */
export function dataFileError(error: unknown, place: string): unknown {
  return fileError(error, (error as NodeJS.ErrnoException).path ?? place, 'read or written');
}
