/** Refusal of a file, and the memory that reading one may take. */
import { EarlybirdError } from '../errors';

/** Remedy for a file that was cut off or changed on its way. */
const DAMAGED = 'it is damaged: copy it again from its source';
/** Remedy for a complete file whose weights cannot be taken as they are. */
export const SAVE_WEIGHTS = 'save its weights alone, torch.save(model.state_dict(), ...)';

/** A refusal that does not name the file yet. */
class Refusal extends EarlybirdError {
  constructor(
    reason: string,
    readonly remedy: string,
  ) {
    super('ERR_CHECKPOINT', reason);
  }
}

/** The error for a file that cannot be read, with the reason and the remedy. */
export class UnreadableFile extends EarlybirdError {
  constructor(
    readonly file: string,
    readonly reason: string,
    remedy: string,
  ) {
    super('ERR_CHECKPOINT', `${file} cannot be read: ${reason}; ${remedy}`);
  }
}

/**
 * Throws ERR_CHECKPOINT. `reason` is a clause, to which namingFile adds file and remedy; without `remedy` the file
 * counts as damaged.
 */
export function refuse(reason: string, remedy = DAMAGED): never {
  throw new Refusal(reason, remedy);
}

/** Runs a reader of bytes in memory, and turns its refusal into one sentence with file and remedy. */
export function namingFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Refusal ? new UnreadableFile(name, error.message, error.remedy) : error;
  }
}

/** Fixed allowances beside the file's own size, as small files have proportionally more structure than large ones. */
const SPARE_BUFFER_BYTES = 1 << 20;
const SPARE_NODE_BYTES = 16 << 20;
/** Limit of the structure that a JavaScript heap can hold beside the work. */
const MOST_STRUCTURE_BYTES = 1 << 30;

/**
 * Memory that a reader allocates for one file beyond its bytes. A few hostile bytes can ask for petabytes (a stride of 0, a deflate
 * bomb, a list of lists that repeats itself), so every allocation that the file decides on is charged here first.
 *
 * - buffers: tensors that had to be copied, inflated records. At most the file's size + 1 MiB.
 * - nodes: pickle operations, dicts, strings, directory entries, at an estimate of their heap size. The allowance
 *   grows by the most that the bytes read so far can make, so that a sound file of many small values never runs out.
 *   Buffers and nodes together are limited to the file's size + 16 MiB + that growth, which ends at 1 GiB.
 */
export class Budget {
  buffers = 0;
  nodes = 0;
  private earned = 0;

  constructor(readonly fileBytes: number) {}

  buffer(bytes: number): void {
    if (!this.tryBuffer(bytes)) this.overdrawn();
  }

  /** Charges a buffer. False, with nothing charged, where the bytes are more than the file may cost. */
  tryBuffer(bytes: number): boolean {
    const buffers = this.buffers + bytes;
    if (buffers > this.fileBytes + SPARE_BUFFER_BYTES || buffers + this.nodes > this.limit) return false;
    this.buffers = buffers;
    return true;
  }

  node(bytes: number): void {
    this.nodes += bytes;
    if (this.buffers + this.nodes > this.limit) this.overdrawn();
  }

  /** Raises the allowance by `bytes`, the most that the part read just now can make. */
  earn(bytes: number): void {
    this.earned = Math.min(this.earned + bytes, MOST_STRUCTURE_BYTES);
  }

  private get limit(): number {
    return this.fileBytes + SPARE_NODE_BYTES + this.earned;
  }

  private overdrawn(): never {
    refuse(
      'its content would take more memory than its size allows (repeated, expanded or compressed data)',
      SAVE_WEIGHTS,
    );
  }
}
