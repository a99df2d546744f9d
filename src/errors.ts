/**
 * The one error class a user of earlybird ever sees. `code` is stable and safe to branch on; `message` is one sentence
 * that says what happened, where, and what to do; `detail` holds the native stack or the underlying cause, for bug reports.
 *
 * Recognise it by `code`, never by `instanceof`: errors may cross realms (jest, worker_threads).
 */
export class EarlybirdError extends Error {
  readonly code: ErrorCode;
  readonly detail?: string;

  constructor(code: ErrorCode, message: string, detail?: string) {
    super(message);
    this.name = 'EarlybirdError';
    this.code = code;
    if (detail !== undefined) this.detail = detail;
  }
}

/** Every code an error of ours can carry. The C++ side (cpp/core/error.h) uses the same strings. */
export const ERROR_CODES = [
  'ERR_USAGE', // a flag or argument is wrong
  'ERR_RECIPE', // a recipe does not validate
  'ERR_SHAPE', // tensors do not fit together
  'ERR_DTYPE', // a tensor has a type that is not accepted here
  'ERR_MODEL', // an architecture, depth or cfg that cannot be built
  'ERR_PRUNE', // a mask or ratio that cannot be pruned with
  'ERR_CHECKPOINT', // a checkpoint file that cannot be read, or does not fit the model
  'ERR_DATASET', // a dataset that is missing, damaged or of the wrong form
  'ERR_DOWNLOAD', // a download failed or its checksum is wrong
  'ERR_FILE', // reading or writing a file failed
  'ERR_DEVICE', // a device that was asked for is not there
  'ERR_LIBTORCH', // LibTorch is missing, unusable or of another version than the addon
  'ERR_NOT_BUILT', // the native addon has not been built for this LibTorch
  'ERR_ENERGY', // the GPU's driver does not tell what was asked
  'ERR_OUT_OF_MEMORY', // host or device memory ran out
  'ERR_NUMERIC', // NaN or infinity where training cannot go on
  'ERR_DISPOSED', // a handle was used after dispose()
  'ERR_BUSY', // a handle is in use by a job that does not allow this call
  'ERR_ABORTED', // stopped by an AbortSignal or Ctrl-C
  'ERR_TORCH', // LibTorch threw an error that none of the above fits
  'ERR_INTERNAL', // a fault of ours
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
