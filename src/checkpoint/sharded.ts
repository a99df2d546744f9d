/**
 * Checkpoints in several files with an index, as Hugging Face's and accelerate's tools write them: { metadata, weight_map: { key: file } },
 * the files beside it.
 */
import { basename, dirname, join } from 'node:path';
import { type Checkpoint, parseCheckpoint } from './pth';
import { readWholeFile } from './read-file';
import { namingFile, refuse } from './refuse';
import { isDict, isTensor, OrderedDict, UnreadTensor, type Value } from './value';

/** Limit of the size of an index, which has a line for each tensor. */
const MOST_INDEX_BYTES = 100_000_000;

export const isIndexName = (path: string): boolean => /\.(safetensors|bin)\.index\.json$/.test(path);

/** Reads the files that an index names, each once. Throws ERR_FILE, ERR_CHECKPOINT. */
export async function readSharded(index: string): Promise<Checkpoint & { bytes: number }> {
  const json = await readWholeFile(index);
  const places = namingFile(index, () => weightMap(json));
  const state = new OrderedDict();
  let bytes = json.length;
  const keysOf = new Map<string, string[]>();
  for (const [key, name] of places) {
    if (!keysOf.has(name)) keysOf.set(name, []);
    keysOf.get(name)!.push(key);
  }
  for (const [name, keys] of keysOf) {
    const file = join(dirname(index), name);
    const shard = await readWholeFile(file);
    bytes += shard.length;
    const { value } = parseCheckpoint(shard, file);
    namingFile(file, () => {
      const tensors = tensorsOf(value);
      for (const key of keys)
        state.set(
          key,
          tensors.get(key) ?? refuse(`it lacks ${JSON.stringify(key)}, which ${basename(index)} says it holds`),
        );
    });
  }
  // The state keeps the order of the index.
  const ordered = new OrderedDict([...places.keys()].map((key) => [key, state.get(key)!]));
  return { format: 'sharded', value: ordered, bytes };
}

/** The file of each tensor. Refuses an index that names files anywhere but beside it. */
function weightMap(json: Uint8Array): Map<string, string> {
  if (json.length > MOST_INDEX_BYTES) refuse('it is larger than 100 MB');
  let index: unknown;
  try {
    index = JSON.parse(Buffer.from(json).toString('utf8'));
  } catch {
    refuse('it is not valid JSON');
  }
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) refuse('it has no weight_map');
  for (const [key, name] of Object.entries(map))
    if (typeof name !== 'string' || name === '' || name === '..' || /[/\\\0]/.test(name))
      refuse(`it puts ${JSON.stringify(key)} into a file that is not beside it`);
  return new Map(Object.entries(map) as [string, string][]);
}

/** The tensors of one file. */
function tensorsOf(value: Value): Map<unknown, Value> {
  const own = isDict(value) ? value.get('state_dict') : undefined;
  const tensors = isDict(own) ? own : value;
  if (!isDict(tensors)) refuse('it is not a dictionary of tensors');
  for (const tensor of tensors.values())
    if (!isTensor(tensor) && !(tensor instanceof UnreadTensor)) refuse('it is not a dictionary of tensors');
  return tensors;
}
