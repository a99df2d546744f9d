/** The `earlybird` entry of a checkpoint, from which our commands read its network and its training. */
import { type Dict, isDict, type Value } from './value';

const ENTRY = 'earlybird';

/**
 * The `earlybird` dictionary of a checkpoint, null in files of other programs. The metadata of a safetensors file is
 * text, and holds it as JSON.
 */
export function extrasOf(value: Value): Dict | null {
  if (!isDict(value)) return null;
  const metadata = value.get('metadata');
  const extras = value.get(ENTRY) ?? (isDict(metadata) ? fromJson(metadata.get(ENTRY)) : undefined);
  return isDict(extras) ? extras : null;
}

/** Metadata of a safetensors file from which {@link extrasOf} reads these entries. They hold no tensors. */
export function extrasMetadata(entries: Iterable<[string, Value]>): Record<string, string> {
  const asObject = (_key: string, entry: unknown) => (isDict(entry) ? Object.fromEntries(entry) : entry);
  return { [ENTRY]: JSON.stringify(new Map(entries), asObject) };
}

/** The value of a JSON text, with dictionaries for its objects; undefined for what is not such a text. */
export function fromJson(text: Value | undefined): Value | undefined {
  if (typeof text !== 'string') return undefined;
  const isObject = (entry: unknown) => typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  try {
    return JSON.parse(text, (_key, entry) => (isObject(entry) ? new Map(Object.entries(entry)) : entry));
  } catch {
    return undefined;
  }
}
