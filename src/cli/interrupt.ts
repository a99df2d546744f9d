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
    if (abort.signal.aborted) endAtOnce();
    abort.abort(new EarlybirdError('ERR_ABORTED', 'Interrupted; the same command goes on from what is complete.'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return abort.signal;
}

/**
 * Ends this process by SIGINT, which a shell reports as 130 too: process.exit would wait for the engine thread, which
 * may itself wait for a rank that does not answer.
 */
function endAtOnce(): never {
  const { releaseLocks } = require('../lock') as typeof import('../lock'); // --help needs none
  releaseLocks();
  // The prompt comes behind the bar.
  if (process.stderr.isTTY) process.stderr.write('\n');
  process.removeAllListeners('SIGINT');
  process.kill(process.pid, 'SIGINT');
  // Such a signal does not end the first process of a container.
  process.exit(INTERRUPTED);
}
