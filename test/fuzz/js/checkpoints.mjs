/** The tokens of pickle and the checks of values that the targets of checkpoints share. */
import { bytesOf, dist } from './loop.mjs';

/** Every operation of the reader, some it lacks, and texts that mean something to it. */
export const PICKLE = [
  ...'()]}.0N1tlaesudRbQ\x85\x86\x87\x88\x89\x8f\x90\x81\x93\x94\x82',
  ...['J\xff\xff\xff\x7f', 'J\x00\x00\x00\x80', 'K\x00', 'M\xff\xff', 'G\x7f\xf8\x00\x00\x00\x00\x00\x00'],
  ...['\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f', 'X\xff\xff\xff\x7f', 'X\x01\x00\x00\x00a', 'T\xff\xff\xff\xff'],
  ...['B\x00\x00\x00\x40', '\x8d\xff\xff\xff\xff\xff\xff\xff\x7f', '\x8e\x00\x00\x00\x00\x01\x00\x00\x00'],
  ...['q\x00', 'h\x00', 'h\x03', 'r\xff\xff\xff\xff', 'j\xff\xff\xff\x7f', '\x95\xff\xff\xff\xff\xff\xff\xff\xff'],
  ...['\x80\x09', '}q\x07h\x07', ']q\x08h\x08a', 'cposix\nsystem\n', 'ccollections\nOrderedDict\n)R'],
  ...['ctorch\nFloatStorage\n', 'ctorch._utils\n_rebuild_tensor_v2\n', 'c__builtin__\neval\n', 'cnumpy\ndtype\n'],
  ...['cargparse\nNamespace\n)\x81', 'capp\nNet\n)}\x92', 'ctorch._tensor\n_rebuild_from_type_v2\n'],
  ...['ctorch\nComplexFloatStorage\n', 'ccollections\nCounter\n}\x85R', '(iapp\nNet\n'],
];

export const checkpoints = (...names) =>
  names.map((name) =>
    bytesOf(name.includes('/') ? `test/${name}` : `test/fixtures/reference/checkpoints/${name}.pth.tar`),
  );

/** Throws unless all tensors in `value` are filled by their bytes. */
export function sound(value) {
  const { isDict, isTensor, isWellFormed } = dist('checkpoint/value');
  if (Array.isArray(value)) value.forEach(sound);
  else if (isDict(value)) [...value.values()].forEach(sound);
  else if (isTensor(value) && !isWellFormed(value)) throw new Error('a tensor whose data does not fill its shape');
}

/** Reads a checkpoint and checks that the result is sound. */
export const readSound = (bytes, file) => sound(dist('checkpoint/pth').parseCheckpoint(bytes, file).value);

/** Changes the records of a zip and makes its checksums right again, so that the damage reaches the pickle reader. */
export async function insideZip(bytes, change, random) {
  const { ZipArchive } = dist('checkpoint/zip/read');
  const { zipChunks } = dist('checkpoint/zip/write');
  const { Budget } = dist('checkpoint/refuse');
  let records;
  try {
    const archive = new ZipArchive(bytes, new Budget(bytes.length));
    records = archive.names.map((name) => ({ name, data: archive.read(name) }));
  } catch {
    return change(bytes);
  }
  const pickle = records.findIndex(({ name }) => name.endsWith('data.pkl'));
  const target = records[pickle < 0 || random(4) === 0 ? random(records.length) : pickle];
  if (!target) return change(bytes);
  target.data = change(target.data);
  const chunks = [];
  for await (const chunk of zipChunks(records, () => [])) chunks.push(chunk);
  return Buffer.concat(chunks);
}
