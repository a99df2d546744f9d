/**
 * Parquet as Hugging Face datasets writes it: a column of images, `{bytes, path}` or plain bytes, and a column of class
 * numbers, whose names are in the metadata (https://huggingface.co/docs/datasets/about_dataset_features). Where the
 * column is not compressed, images are stored in the file unchanged.
 */
import { open } from 'node:fs/promises';
import { isJpeg } from '../decode';
import { datasetError } from '../errors';
import { NOT_PLAIN } from '../listing';
import { byRank, IMAGES, LABELS, labelOf, numbered } from './columns';
import { emptyIndex, type Format, type ShardIndex } from './format';
import { chunkOf, openParquet, type ParquetFile, readColumnOf } from './parquet-column';

interface Columns {
  /** Full name of the column with the bytes: "img.bytes". */
  image: string;
  label: string;
  classes: string[] | null;
}

export const PARQUET: Format = {
  title: 'parquet file',
  index: (file, size, signal) => reading(file, size, signal, (parquet) => indexOf(parquet, file, signal)),
  unpack: (file, group, signal) =>
    reading(file, null, signal, async (parquet) => {
      const { values } = await readColumnOf(parquet, group, columnsOf(parquet, file).image);
      return values.map((value) => (value instanceof Uint8Array ? value : new Uint8Array()));
    }),
};

/** Opens a file for `work`. Errors of the parser become ERR_DATASET. */
async function reading<T>(
  file: string,
  known: number | null,
  signal: AbortSignal | undefined,
  work: (parquet: ParquetFile) => Promise<T>,
): Promise<T> {
  const handle = await open(file, 'r');
  try {
    const size = known ?? (await handle.stat()).size;
    return await work(await openParquet(handle, size));
  } catch (error) {
    signal?.throwIfAborted();
    // Errors of the file system name a system call; all others come from the parser, whatever their codes are.
    if ((error as { code?: unknown }).code === 'ERR_DATASET' || (error as NodeJS.ErrnoException).syscall) throw error;
    throw datasetError(`${file} is damaged or not a parquet file (${(error as Error).message}); fetch it again.`);
  } finally {
    await handle.close();
  }
}

async function indexOf(parquet: ParquetFile, file: string, signal?: AbortSignal): Promise<ShardIndex> {
  const { image, label: labelColumn, classes } = columnsOf(parquet, file);
  const { row_groups: groups } = parquet.metadata;
  const plain = groups.map((_, group) => chunkOf(parquet, group, image).codec === 'UNCOMPRESSED');
  const index = emptyIndex();
  const texts: string[] = [];
  const starts: number[] = [];
  let row = 0;
  for (const [group, { num_rows }] of groups.entries()) {
    signal?.throwIfAborted();
    starts.push(index.keys.length);
    const labels = (await readColumnOf(parquet, group, labelColumn)).values;
    const images = plain[group] ? await readColumnOf(parquet, group, image) : null;
    for (let place = 0; place < Number(num_rows); place++, row++) {
      const value = images?.values[place];
      const label = labels[place];
      const text = typeof label === 'string' ? label : null;
      const of = text === null ? labelOf(label) : texts.length;
      if (of === null) index.unread.push({ file: `${row}`, reason: `no class (${label ?? 'absent'})` });
      else if (images && !(value instanceof Uint8Array))
        index.unread.push({ file: `${row}`, reason: 'no image in the file' });
      else {
        const at = value instanceof Uint8Array ? images!.placeOf(value) : null;
        if (at === null || !isJpeg(value as Uint8Array)) index.others.push(index.keys.length);
        index.keys.push(`${row}`);
        index.offsets.push(at ?? place);
        index.lengths.push(at === null ? NOT_PLAIN : (value as Uint8Array).length);
        index.labels.push(of);
        if (text !== null) texts.push(text);
      }
    }
  }
  if (index.lengths.includes(NOT_PLAIN))
    index.groups = starts.map((start, group) => ({
      start,
      bytes: Number(chunkOf(parquet, group, image).total_uncompressed_size),
    }));
  if (texts.length > 0) return { ...index, ...numbered(texts) };
  return classes ? { ...index, classes } : index;
}

/** Finds the columns by the features in the metadata, else by their types and names. */
function columnsOf({ metadata }: ParquetFile, file: string): Columns {
  const leaves = leavesOf(metadata.schema);
  const features = featuresOf(metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value);
  const typed = (type: string) => Object.keys(features).filter((name) => features[name]?._type === type);
  const binary = leaves.filter(({ type }) => type === 'BYTE_ARRAY').map(({ name }) => name);
  const images = binary.map((name) => name.replace(/\.bytes$/, ''));
  const likely = images.filter((name, i) => binary[i] !== name || IMAGES.includes(name));
  const image = byRank(typed('Image').length > 0 ? typed('Image') : likely, IMAGES);
  const flat = leaves.filter(({ name, type }) => /^INT|BYTE_ARRAY/.test(type) && !name.includes('.') && name !== image);
  const named = flat.map(({ name }) => name).filter((name) => LABELS.includes(name));
  const label = byRank(typed('ClassLabel').length > 0 ? typed('ClassLabel') : named, LABELS);
  const bytes = [`${image}.bytes`, `${image}`].find((name) => binary.includes(name));
  if (bytes === undefined)
    throw datasetError(`${file} has no column of images (img or image, with bytes); its columns are ${list(leaves)}.`);
  if (label === undefined)
    throw datasetError(`${file} has no column of class numbers (label); its columns are ${list(leaves)}.`);
  const names = features[label]?.names;
  const known = Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string');
  return { image: bytes, label, classes: known ? (names as string[]) : null };
}

const list = (leaves: readonly { name: string }[]) => leaves.map(({ name }) => name).join(', ') || 'none';

/** Full names and types of the columns that hold values. */
function leavesOf(schema: ParquetFile['metadata']['schema']): { name: string; type: string }[] {
  const leaves: { name: string; type: string }[] = [];
  let next = 1;
  const walk = (count: number, above: string, depth: number): void => {
    for (let i = 0; i < count && next < schema.length && depth < 32; i++) {
      const { name, type, num_children: children = 0 } = schema[next++]!;
      if (children > 0) walk(children, `${above}${name}.`, depth + 1);
      else leaves.push({ name: `${above}${name}`, type: type ?? '' });
    }
  };
  walk(schema[0]?.num_children ?? 0, '', 0);
  return leaves;
}

type Features = Record<string, { _type?: unknown; names?: unknown } | null>;

function featuresOf(text: string | undefined): Features {
  try {
    const features = (JSON.parse(text ?? '{}') as { info?: { features?: Features } }).info?.features;
    return typeof features === 'object' && features ? features : {};
  } catch {
    return {};
  }
}
