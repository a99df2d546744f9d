/** PyTorch checkpoints (.pth, .pt, .pth.tar): both layouts of torch.save, and safetensors. */
import { crc32 } from 'node:zlib';
import { type WriteOptions, writeFileAtomic } from '../atomic';
import { foreignFormat, foreignZip } from './foreign';
import { looksLikeLegacy, parseLegacy } from './legacy';
import { finish, runPickle } from './pickle/read';
import { pickleValue } from './pickle/write';
import { Budget, namingFile, refuse } from './refuse';
import { looksLikeSafetensors, parseSafetensors } from './safetensors';
import { OrderedDict, type Value } from './value';
import { ZipArchive } from './zip/read';
import { type ZipRecord, zipChunks } from './zip/write';

/**
 * Layout of a checkpoint. zip: PyTorch since 1.6; legacy: before; sharded: files with an index; distributed: a folder
 * of torch.distributed.checkpoint.
 */
export type Format = 'zip' | 'legacy' | 'safetensors' | 'sharded' | 'distributed';

/** A checkpoint in memory. */
export interface Checkpoint {
  format: Format;
  /** The saved value; for a safetensors file the state dict, or { state_dict, metadata } where it has metadata. */
  value: Value;
}

/**
 * Reads a checkpoint in memory: one file of torch.save or safetensors. `name` is the file's name in messages. Throws
 * ERR_CHECKPOINT.
 */
export function parseCheckpoint(
  bytes: Uint8Array,
  name = 'the checkpoint',
  budget = new Budget(bytes.length),
): Checkpoint {
  return namingFile(name, () => {
    const format = sniff(bytes);
    if (format === 'zip') return { format, value: parseZip(bytes, budget) };
    if (format === 'legacy') return { format, value: parseLegacy(bytes, budget) };
    const { entries, metadata } = parseSafetensors(bytes, budget);
    const state = new OrderedDict(entries);
    if (metadata.size === 0) return { format, value: state };
    return {
      format,
      value: new Map<string, Value>([
        ['state_dict', state],
        ['metadata', metadata],
      ]),
    };
  });
}

/**
 * Writes a checkpoint that `torch.load(file, weights_only=True)` reads. Equal values give equal bytes. The file is
 * complete or absent, whatever happens. Throws ERR_FILE, or ERR_CHECKPOINT for a value without a Python form; rejects
 * with `signal.reason`.
 */
export async function writeCheckpoint(file: string, value: Value, options: WriteOptions = {}): Promise<void> {
  await writeFileAtomic(file, checkpointChunks(value), options);
}

function sniff(bytes: Uint8Array): Format {
  const starts = (magic: Uint8Array) => Buffer.compare(bytes.subarray(0, magic.length), magic) === 0;
  if (bytes.length === 0) refuse('it is empty');
  if (starts(Uint8Array.of(0x50, 0x4b, 0x03, 0x04))) return 'zip';
  if (looksLikeLegacy(bytes)) return 'legacy';
  if (looksLikeSafetensors(bytes)) return 'safetensors';
  foreignFormat(bytes);
  refuse(
    'it is neither a PyTorch checkpoint nor a safetensors file',
    'name a file that torch.save or safetensors wrote',
  );
}

/**
 * The value of a zip file of torch.save. Throws ERR_CHECKPOINT, whose message is a clause. `mayBeObject`: see {@link
 * finish}.
 */
export function parseZip(bytes: Uint8Array, budget: Budget, mayBeObject = false): Value {
  const archive = new ZipArchive(bytes, budget);
  foreignZip(archive.names);
  const pickleName = archive.names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickleName === undefined)
    refuse('it is a zip archive without data.pkl, so not a PyTorch checkpoint', 'name a file that torch.save wrote');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  if (
    archive.has(`${folder}byteorder`) &&
    Buffer.from(archive.read(`${folder}byteorder`)).toString('latin1') !== 'little'
  )
    refuse('it was not written on a little-endian machine', 'load and save it once with PyTorch on such a one');

  const unpickled = runPickle(archive.read(pickleName), 0, budget);
  const found = new Map<string, Uint8Array>();
  for (const { key, bytes } of unpickled.storages.values()) {
    const data = archive.read(`${folder}data/${key}`);
    if (data.length !== bytes) refuse(`storage ${key} has another size than its tensors say`);
    found.set(key, data);
  }
  return finish(unpickled, ({ key }) => found.get(key), budget, mayBeObject);
}

function checkpointChunks(value: Value): AsyncGenerator<Uint8Array> {
  const { pickle, storages } = pickleValue(value);
  const record = (name: string, data: Uint8Array | string): ZipRecord => ({
    // PyTorch names the folder after the file; a constant name keeps the bytes of equal content equal under every file
    // name.
    name: `archive/${name}`,
    data: typeof data === 'string' ? Buffer.from(data) : data,
  });
  const records = [
    record('data.pkl', pickle),
    record('.format_version', '1'),
    record('.storage_alignment', '64'),
    record('byteorder', 'little'),
    ...storages.map((data, index) => record(`data/${index}`, data)),
    record('version', '3\n'),
  ];
  return zipChunks(records, (crcs) => [record('.data/serialization_id', serializationId(records, crcs))]);
}

/**
 * 40 digits that identify the content, as in PyTorch's files: the first half from the names, the second from the CRCs.
 */
function serializationId(records: ZipRecord[], crcs: number[]): string {
  const digits = (text: string) => String(crc32(Buffer.from(text))).padStart(20, '0');
  return digits(records.map(({ name }) => name).join('\n')) + digits(crcs.join('\n'));
}
