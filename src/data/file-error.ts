/** What the system says about a file becomes one sentence; every other error stays as it is. */
import { EarlybirdError } from '../errors';

export function fileError(error: unknown, place: string | undefined): unknown {
  const { syscall, code, path, message } = error as NodeJS.ErrnoException;
  if (!syscall) return error;
  return new EarlybirdError(
    'ERR_FILE',
    `Cannot read or write ${path ?? place} (${code}); check that it is there and that you may.`,
    message,
  );
}
