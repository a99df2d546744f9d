/** How many epochs the weights of a checkpoint were trained for. */
import { basename } from 'node:path';
import { extrasOf } from '../checkpoint/extras';
import { epochOf } from '../checkpoint/keys';
import { type Dict, isDict, Opaque, type Value } from '../checkpoint/value';
import { parseTicketFile } from './names';

/**
 * Number of epochs that the weights were trained for; null where the file does not say it. Files of the reference have
 * only `epoch`, which is one too many in EB-{p}-{k} (written before epoch k-1 is trained), so the file name decides
 * there.
 */
export function completedOf(value: Value, path: string): number | null {
  const own = extrasOf(value)?.get('completed');
  if (typeof own === 'number') return own;
  const epoch = epochOf(value);
  if (epoch === undefined || !isDict(value)) return null;
  if (parseTicketFile(basename(path))) return epoch - 1;
  const isIndex = INDEXED.some((isOf) => isOf(value));
  return Math.max(isIndex ? epoch + 1 : epoch, processedOf(value));
}

/** Tells files whose `epoch` is the index of the last epoch, not a number of epochs: their tools resume at the next. */
const INDEXED: readonly ((file: Dict) => boolean)[] = [
  // timm, whose version 1 added 1 before it saved.
  (file) => typeof file.get('arch') === 'string' && Number(file.get('version')) >= 2,
  // The training references of torchvision, and scripts made after them.
  (file) =>
    ['model', 'optimizer', 'lr_scheduler'].every((key) => isDict(file.get(key))) && isNamespace(file.get('args')),
];

const isNamespace = (value: Value | undefined) => value instanceof Opaque && value.name === 'argparse.Namespace';

/**
 * Epochs that a file of Lightning counts as processed, 0 for other files. Lightning resumes after them. Its `epoch` is
 * that number, or one less where the file was saved at the end of an epoch, before its hooks were over.
 */
function processedOf(file: Dict): number {
  const path = ['loops', 'fit_loop', 'epoch_progress', 'current', 'processed'];
  const found = path.reduce<Value | undefined>((entry, key) => (isDict(entry) ? entry.get(key) : undefined), file);
  return Number.isSafeInteger(found) ? (found as number) : 0;
}
