/** PyTorch checkpoints (.pth, .pt, .pth.tar): both layouts of torch.save, and safetensors. */
import { crc32 } from 'node:zlib';
import { type WriteOptions, writeFileAtomic } from '../atomic';
import { looksLikeLegacy, parseLegacy } from './legacy';
import { finish, runPickle } from './pickle/read';
import { pickleValue } from './pickle/write';
import { weightsAt } from './places';
import { readWholeFile } from './read-file';
import { Budget, namingFile, refuse } from './refuse';
import { looksLikeSafetensors, parseSafetensors } from './safetensors';
import { OrderedDict, type Value } from './value';
import { ZipArchive } from './zip/read';
import { type ZipRecord, zipChunks } from './zip/write';

/** zip: PyTorch since 1.6; legacy: before. */
export type Format = 'zip' | 'legacy' | 'safetensors';

/** A checkpoint file in memory. */
export interface Checkpoint {
  format: Format;
  /** The saved value. For a safetensors file: the state dict, or { state_dict, metadata } where it has metadata. */
  value: Value;
}

/** Options of {@link readCheckpoint}. */
export interface ReadOptions {
  /** Where the weights lie, as a dotted path such as "models.student": they become the `state_dict` of the value. */
  key?: string | undefined;
}

/**
 * Reads a checkpoint that PyTorch, earlybird or a safetensors library wrote. Nothing in the file is run: Python objects other than
 * plain data and tensors are {@link Opaque} leaves. Tensors are views of the file's bytes and may be unaligned; {@link numbersOf} reads them.
 * Throws ERR_FILE, or ERR_CHECKPOINT for a file of another kind or a damaged one.
 *
 * @example
 * ```ts
 * const { value } = await readCheckpoint('model_best.pth.tar');
 * const weights = stateDictOf(value);
 * console.log(cfgOf(value), weights.get('feature.0.weight')?.shape);
 * ```
 */
export async function readCheckpoint(file: string, { key }: ReadOptions = {}): Promise<Checkpoint> {
  const { format, value } = parseCheckpoint(await readWholeFile(file), file);
  return { format, value: weightsAt(value, key, file) };
}

/** As readCheckpoint, of bytes in memory. `name` is the file's name in messages. */
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
 * Writes a checkpoint that `torch.load(file, weights_only=True)` reads. Equal values give equal bytes. The file is whole or not
 * there, whatever happens. Throws ERR_FILE, or ERR_CHECKPOINT for a value without a Python form; rejects with `signal.reason`.
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
  if (Buffer.from(bytes.subarray(257, 262)).toString('latin1') === 'ustar')
    refuse(
      'it is a tar archive, the layout of PyTorch before 0.1.10',
      'load and save it once with a PyTorch between 0.4 and 2',
    );
  refuse(
    'it is neither a PyTorch checkpoint nor a safetensors file',
    'name a file that torch.save or safetensors wrote',
  );
}

function parseZip(bytes: Uint8Array, budget: Budget): Value {
  const archive = new ZipArchive(bytes, budget);
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
  return finish(unpickled, ({ key }) => found.get(key), budget);
}

function checkpointChunks(value: Value): AsyncGenerator<Uint8Array> {
  const { pickle, storages } = pickleValue(value);
  const record = (name: string, data: Uint8Array | string): ZipRecord => ({
    // PyTorch takes the file's name as the folder; a constant one keeps equal content equal bytes under every name.
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

/** 40 digits that identify the content, as in PyTorch's files: one half from the names, one from the CRCs. */
function serializationId(records: ZipRecord[], crcs: number[]): string {
  const digits = (text: string) => String(crc32(Buffer.from(text))).padStart(20, '0');
  return digits(records.map(({ name }) => name).join('\n')) + digits(crcs.join('\n'));
}
