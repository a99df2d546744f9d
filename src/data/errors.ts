import { EarlybirdError, fileError } from '../errors';

export const datasetError = (message: string) => new EarlybirdError('ERR_DATASET', message);
export const usageError = (message: string) => new EarlybirdError('ERR_USAGE', message);

/**
 * ERR_FILE for an error of the file system, naming the path in the error, else `place`; other errors are returned as
 * they are.
 */
export function dataFileError(error: unknown, place: string): unknown {
  return fileError(error, (error as NodeJS.ErrnoException).path ?? place, 'read or written');
}
