/**
 * The class of all errors that earlybird throws. `message` is one sentence: what happened, where, what to do.
 *
 * Recognise it by `code`, not by `instanceof`: errors may cross realms (jest, worker_threads).
 */
export class EarlybirdError extends Error {
  /** Stable code, which programs may branch on. */
  readonly code: ErrorCode;
  /** The native stack or the cause, for bug reports. */
  readonly detail?: string;

  constructor(code: ErrorCode, message: string, detail?: string) {
    super(message);
    this.name = 'EarlybirdError';
    this.code = code;
    if (detail !== undefined) this.detail = detail;
  }
}

/** All codes. The C++ side (cpp/core/error.h) uses the same strings. */
const ERROR_CODES = [
  'ERR_NODE', // this Node is too old
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
  'ERR_ENERGY', // the GPU's driver does not report what was asked
  'ERR_OUT_OF_MEMORY', // host or device memory ran out
  'ERR_NUMERIC', // NaN or infinity where training cannot go on
  'ERR_DISPOSED', // a handle was used after dispose()
  'ERR_BENCH_MACHINE', // results of different machines were to be compared
  'ERR_BUSY', // a handle or a folder is in use by something that does not allow this call
  'ERR_RANKS', // a rank of a training failed, is gone, or differs from the others
  'ERR_ABORTED', // stopped by an AbortSignal or Ctrl-C
  'ERR_TORCH', // LibTorch threw an error that none of the above fits
  'ERR_INTERNAL', // a fault of ours
] as const;

/** Stable code of an {@link EarlybirdError}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file or folder; check the path',
  ENOTDIR: 'a part of its path is not a folder; check the path',
  EEXIST: 'a part of its path is not a folder; check the path',
  EISDIR: 'it is a folder; name a file',
  EACCES: 'you have no permission for it; choose another path or ask its owner',
  EPERM: 'you have no permission for it; choose another path or ask its owner',
  EROFS: 'the file system is read-only; choose another folder',
  ENOSPC: 'the disk is full; free some space and run the same command again',
  EDQUOT: 'your disk quota is used up; free some space and run the same command again',
  EIO: 'the disk reports a fault; check it',
};

/** The code of an error that the file system raised, else ''. */
export function systemCode(error: unknown): string {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return typeof code === 'string' && typeof syscall === 'string' ? code : '';
}

/** ERR_FILE for an error that the file system raised; any other error as it is. `doing`: "read" or "written". */
export function fileError(error: unknown, file: string, doing: string): unknown {
  const code = systemCode(error);
  if (code === '') return error;
  const reason = REASONS[code] ?? `the system reports ${code}`;
  return new EarlybirdError('ERR_FILE', `${file} cannot be ${doing}: ${reason}.`, String(error));
}

/** Runs `work` on a file. Throws ERR_FILE, which names the file, for errors of the file system. */
export async function onDisk<T>(file: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(error, file, doing);
  }
}

/** True where work ended because it was asked to, by its own signal or by that of another process on the same work. */
export const wasAborted = (error: unknown, signal: AbortSignal | undefined): boolean =>
  signal?.aborted === true || (error as { code?: unknown } | null)?.code === 'ERR_ABORTED';
