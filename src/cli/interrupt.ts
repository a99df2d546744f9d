/**
 * Handles Ctrl-C: the first one stops cleanly (ERR_ABORTED, exit code 130 after a complete checkpoint), the second one
 * at once.
 */
import { EarlybirdError } from '../errors';

export const INTERRUPTED = 130;

let controller: AbortController | undefined;

/** A signal that SIGINT and SIGTERM abort. The first call installs the handlers. */
export function interruptSignal(): AbortSignal {
  if (controller) return controller.signal;
  const abort = new AbortController();
  controller = abort;
  const stop = () => {
    if (abort.signal.aborted) process.exit(INTERRUPTED);
    abort.abort(new EarlybirdError('ERR_ABORTED', 'Interrupted; the same command goes on from what is complete.'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return abort.signal;
}
