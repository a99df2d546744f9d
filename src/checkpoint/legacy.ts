/**
 * The layout of torch.save before PyTorch 1.6: five pickles back to back (magic number, protocol version, description of the
 * machine, the object, list of storage keys), then for each key in that order an int64 element count and the raw
 * little-endian bytes.
 */
import type { Storage } from './pickle/item';
import { finish, runPickle, unpickle } from './pickle/read';
import { type Budget, refuse } from './refuse';
import { isDict, type Value } from './value';

export const MAGIC = 0x1950a86a20f9469cfc6cn;
export const PROTOCOL = 1001;
/** Bytes of the magic number as protocols 2 to 5 write it (a 10-byte integer), and as protocols 0 and 1 do. */
const MAGIC_BYTES = Uint8Array.of(0x8a, 0x0a, 0x6c, 0xfc);
const MAGIC_LINE = Buffer.from('L119547037146038801333356L');

export function looksLikeLegacy(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 32));
  // Protocol 4 puts the length of a frame before the magic number.
  if (bytes[0] === 0x80) return [2, 11].includes(start.indexOf(MAGIC_BYTES));
  return start.indexOf(MAGIC_LINE) === 0;
}

/**
 * Reads a file of the old layout. Throws ERR_CHECKPOINT, whose message is a clause. Tensors share memory with `bytes`
 * where they can.
 */
export function parseLegacy(bytes: Uint8Array, budget: Budget): Value {
  const magic = unpickle(bytes, 0, budget);
  if (magic.value !== MAGIC) refuse('its magic number is wrong');
  const protocol = unpickle(bytes, magic.end, budget);
  if (protocol.value !== PROTOCOL) refuse('its protocol version is unknown');
  const machine = unpickle(bytes, protocol.end, budget);
  if (!isDict(machine.value) || machine.value.get('little_endian') !== true)
    refuse('it was not written on a little-endian machine');
  const root = runPickle(bytes, machine.end, budget);
  const keys = unpickle(bytes, root.end, budget);
  if (!Array.isArray(keys.value)) refuse('its list of storages is missing');

  const found = new Map<string, Uint8Array>();
  let at = keys.end;
  for (const key of keys.value) {
    const storage = typeof key === 'string' ? root.storages.get(key) : undefined;
    if (!storage || found.has(storage.key)) refuse('its list of storages does not fit its tensors');
    const size = storage.bytes;
    if (size + 8 > bytes.length - at) refuse(`storage ${storage.key} is cut off`);
    if (readCount(bytes, at) !== BigInt(storage.numel))
      refuse(`storage ${storage.key} has another size than its tensors say`);
    found.set(storage.key, bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }

  return finish(root, ({ key }: Storage) => found.get(key), budget);
}

function readCount(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true);
}
