import { EarlybirdError, fileError, systemCode } from '../errors';

export const datasetError = (message: string) => new EarlybirdError('ERR_DATASET', message);
export const usageError = (message: string) => new EarlybirdError('ERR_USAGE', message);

/** True for the error of a file or folder that is not there. */
export const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(systemCode(error));

/** For the `catch` of a read: null where the file or folder is not there. Throws any other error again. */
export function nullIfAbsent(error: unknown): null {
  if (isAbsent(error)) return null;
  throw error;
}

/**
 * ERR_FILE for an error of the file system, naming the path in the error, else `place`; other errors are returned as
 * they are.
 */
export function dataFileError(error: unknown, place: string): unknown {
  return fileError(error, (error as NodeJS.ErrnoException).path ?? place, 'read or written');
}
