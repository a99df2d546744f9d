/** Refusal of a file, and the memory that reading one may take. */
import { EarlybirdError } from '../errors';

/** Throws ERR_CHECKPOINT. `reason` is a clause, to which namingFile adds the file. */
export function refuse(reason: string): never {
  throw new EarlybirdError('ERR_CHECKPOINT', reason);
}

/** Runs a reader of bytes in memory; makes a refusal one sentence with file and remedy. */
export function namingFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof EarlybirdError)) throw error;
    throw new EarlybirdError(
      error.code,
      `${name} cannot be read: ${error.message}; copy it again from its source or save it anew with torch.save or earlybird`,
      error.detail,
    );
  }
}

/** Fixed allowances beside the file's own size: small files have proportionally larger structure than large ones. */
const SPARE_BUFFER_BYTES = 1 << 20;
const SPARE_NODE_BYTES = 16 << 20;

/**
 * Memory that a reader allocates for one file beyond its bytes. A few hostile bytes can ask for petabytes (a stride of 0, a deflate
 * bomb, a million empty dicts), so every allocation that the file decides on is charged here first.
 *
 * - buffers: tensors that had to be copied, inflated records. At most the file's size + 1 MiB.
 * - nodes: pickle operations, dicts, strings, directory entries, at an estimate of their heap size.
 *   Buffers and nodes together: at most the file's size + 16 MiB. So reading never takes more than twice the file + 16 MiB.
 */
export class Budget {
  buffers = 0;
  nodes = 0;

  constructor(readonly fileBytes: number) {}

  buffer(bytes: number): void {
    this.buffers += bytes;
    if (this.buffers > this.fileBytes + SPARE_BUFFER_BYTES) this.overdrawn();
    this.check();
  }

  node(bytes: number): void {
    this.nodes += bytes;
    this.check();
  }

  private check(): void {
    if (this.buffers + this.nodes > this.fileBytes + SPARE_NODE_BYTES) this.overdrawn();
  }

  private overdrawn(): never {
    refuse('its content would take more memory than twice its size (repeated, expanded or compressed data)');
  }
}
