/** Folders of torch.distributed.checkpoint: `.metadata`, and files in which whole files of torch.save lie end to end, one for each piece. */
import { join } from 'node:path';
import { DTYPE_BYTES } from '../../tensor';
import { isDtype } from '../dtypes';
import { type Checkpoint, parseZip } from '../pth';
import { readWholeFile } from '../read-file';
import { Budget, namingFile, refuse } from '../refuse';
import { elementCount, isDict, isTensor, type Key, OrderedDict, UnreadTensor, type Value } from '../value';
import { type Entry, type Metadata, type Place, parseMetadata } from './metadata';
import { checkCover, joinBlocks } from './pieces';

export const METADATA = '.metadata';

/** Reads all values of a folder, nested as they were saved. Throws ERR_FILE, ERR_CHECKPOINT. */
export async function readDistributed(folder: string): Promise<Checkpoint & { bytes: number }> {
  const path = join(folder, METADATA);
  const own = await readWholeFile(path);
  const { entries, paths } = namingFile(path, () => parseMetadata(own, new Budget(own.length)));
  const files = new Map<string, Uint8Array>();
  for (const { file } of placesOf(entries))
    if (!files.has(file)) files.set(file, await readWholeFile(join(folder, file)));
  const bytes = [...files.values()].reduce((sum, { length }) => sum + length, own.length);
  const budget = new Budget(bytes);
  const values = new Map<string, Value>();
  for (const [name, entry] of entries)
    values.set(
      name,
      namingFile(`${JSON.stringify(name)} of ${folder}`, () => readEntry(entry, files, budget)),
    );
  return { format: 'distributed', value: namingFile(path, () => nested(values, paths)), bytes };
}

function* placesOf(entries: Metadata['entries']): Generator<Place> {
  for (const entry of entries.values()) {
    if ('place' in entry) yield entry.place;
    else for (const { place } of entry.pieces) yield place;
  }
}

function readEntry(entry: Entry, files: ReadonlyMap<string, Uint8Array>, budget: Budget): Value {
  const read = ({ file, offset, length }: Place) => {
    const bytes = files.get(file)!;
    if (offset + length > bytes.length) refuse(`${file} ends before it`);
    return parseZip(bytes.subarray(offset, offset + length), budget, true);
  };
  if ('place' in entry) return read(entry.place);
  const { dtype, shape, pieces } = entry;
  checkCover(shape, pieces);
  if (!isDtype(dtype)) {
    const unread = new UnreadTensor(dtype, shape, `is of ${dtype}, which is not read`);
    return Object.assign(unread, { bytes: pieces.reduce((sum, { place }) => sum + place.length, 0) });
  }
  const blocks = pieces
    .filter(({ sizes }) => elementCount(sizes) > 0)
    .map(({ offsets, sizes, place }) => {
      const tensor = read(place);
      if (!isTensor(tensor) || tensor.dtype !== dtype || tensor.shape.join() !== sizes.join())
        refuse(`${place.file} has something else where its piece should be`);
      return { offsets, tensor };
    });
  if (blocks.length === 0) return { dtype, shape, data: new Uint8Array(DTYPE_BYTES[dtype] * elementCount(shape)) };
  return blocks.length === 1 ? blocks[0]!.tensor : joinBlocks(shape, blocks, budget);
}

/** Limit of depth above the nesting of any training script. */
const MOST_DEPTH = 64;

/** Puts the values where their paths say; numbers are positions in lists. */
function nested(values: ReadonlyMap<string, Value>, paths: Metadata['paths']): Value {
  const root: Branch = new OrderedDict();
  for (const [name, value] of values) {
    const path = paths.get(name) ?? [name];
    if (path.length > MOST_DEPTH) fail(name);
    let at = root;
    for (const key of path.slice(0, -1)) {
      const next = at.get(key) ?? new OrderedDict();
      if (!isDict(next)) fail(name);
      at.set(key, next);
      at = next;
    }
    if (at.has(path.at(-1)!)) fail(name);
    at.set(path.at(-1)!, value);
  }
  return listed(root);
}
type Branch = Map<Key, Value>;

function fail(name: string): never {
  refuse(`${JSON.stringify(name)} and another entry have the same place`);
}

/** Turns dictionaries whose keys are 0, 1, 2, ... into lists. */
function listed(value: Value): Value {
  if (!isDict(value)) return value;
  for (const [key, member] of value) value.set(key, listed(member));
  return value.size > 0 && [...value.keys()].every((key, i) => key === i) ? [...value.values()] : value;
}
