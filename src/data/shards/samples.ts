/**
 * The samples of a shard as webdataset makes them: consecutive members with the same name up to the first dot of their
 * base name. The extension is the part after the last dot, in lower case.
 */
import { datasetError } from '../errors';
import { emptyIndex, type ShardIndex } from '../formats/format';
import { isImageName, isLitter, isOtherPicture, type Unread } from '../kinds';
import { PACKED } from '../pack/packed';
import type { TarEntry, TarFile } from './tar-entries';

interface MemberName {
  /** Name up to the first dot of its base name, which the members of a sample have in common. */
  sample: string;
  /** Name up to its last dot. */
  stem: string;
  extension: string;
}

interface Picture extends MemberName {
  entry: TarEntry;
}

interface Group {
  sample: string;
  pictures: Picture[];
  others: Unread[];
  labels: Map<string, TarEntry>;
  notes: Map<string, TarEntry>;
}

/** Length of the longest .json that is searched for a label. */
const MAX_JSON = 1 << 20;
/** Matches extensions of images that training reads without conversion. */
const JPEG = new RegExp(`^(jpe?g|${PACKED})$`);
const MAX_LABEL = 0x7fff_ffff;

/** Parts of a member's name; null for names that webdataset skips. */
export function memberName(name: string): MemberName | null {
  const [, folder = '', first] = /^(.*\/)?([^/.]+)\.[^/]+$/.exec(name) ?? [];
  if (first === undefined || isLitter(name) || isMeta(name)) return null;
  const dot = name.lastIndexOf('.');
  return { sample: `${folder}${first}`, stem: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

/** True for members such as `__meta__`, which describe the shard. */
export const isMeta = (name: string): boolean => /(^|\/)__[^/]*__(\/|$)/.test(name);

/** Reads the headers of a shard, and its labels. Rejects with ERR_DATASET where no image has a class. */
export async function readSamples(tar: TarFile, file: string, signal?: AbortSignal): Promise<ShardIndex> {
  const index = emptyIndex();
  let group = null as Group | null;
  let members = 0;
  const close = async () => {
    if (!group) return;
    const { sample, pictures, others, labels, notes } = group;
    if (pictures.length === 0) index.unread.push(...others);
    if (pictures.length === 0) return;
    const numbers = new Map<string, number>();
    for (const [stem, entry] of labels) numbers.set(stem, await labelIn(tar, entry, file));
    for (const [stem, entry] of notes) {
      const label = numbers.has(stem) ? null : await labelInJson(tar, entry);
      if (label !== null) numbers.set(stem, label);
    }
    take(index, sample, pictures, numbers);
  };
  for await (const entry of tar.entries()) {
    signal?.throwIfAborted();
    members++;
    const name = memberName(entry.name);
    if (!name) continue;
    if (name.sample !== group?.sample) {
      await close();
      group = { sample: name.sample, pictures: [], others: [], labels: new Map(), notes: new Map() };
    }
    if (entry.link) {
      if (isImageName(entry.name)) index.unread.push({ file: entry.name, reason: 'a link to another member' });
    } else if (isImageName(entry.name) || name.extension === PACKED) group.pictures.push({ ...name, entry });
    else if (name.extension === 'cls' || name.extension === 'class') group.labels.set(name.stem, entry);
    else if (name.extension === 'json') group.notes.set(name.stem, entry);
    else if (isOtherPicture(entry.name))
      group.others.push({ file: entry.name, reason: `an image of a kind that is not read (.${name.extension})` });
  }
  await close();
  // An empty shard is no error, as a writer may leave its last one empty.
  if (index.keys.length > 0 || members === 0) return index;
  throw datasetError(whyNone(file, index.unread));
}

/**
 * Adds one picture for each label. Further pictures of the same label, such as a mask, are side files of the sample.
 */
function take(index: ShardIndex, sample: string, pictures: Picture[], labels: Map<string, number>): void {
  const chosen = new Map<string, Picture>();
  const rank = ({ stem, extension }: Picture, of: string) => (stem === of ? 0 : 2) + (JPEG.test(extension) ? 0 : 1);
  for (const picture of pictures) {
    const only = pictures.length === 1 && labels.size === 1 ? [...labels.keys()][0] : undefined;
    const of = [picture.stem, sample, only].find((stem) => stem !== undefined && labels.has(stem));
    if (of === undefined) {
      index.unread.push({ file: picture.entry.name, reason: `no class beside it (${picture.stem}.cls)` });
      continue;
    }
    const before = chosen.get(of);
    if (!before || rank(picture, of) < rank(before, of)) chosen.set(of, picture);
  }
  for (const [of, { stem, extension, entry }] of chosen) {
    if (!JPEG.test(extension)) index.others.push(index.keys.length);
    index.keys.push(stem);
    index.offsets.push(entry.offset);
    index.lengths.push(entry.size);
    index.labels.push(labels.get(of)!);
  }
}

function whyNone(file: string, unread: readonly Unread[]): string {
  const first = unread[0];
  if (!first) return `${file} holds no pair of an image (key.jpg) and its class (key.cls); pack it again.`;
  const name = memberName(first.file);
  return isImageName(first.file) && name
    ? `${file} has the image ${first.file} without ${name.stem}.cls; pack it again.`
    : `${file} holds ${first.file}, ${first.reason}; make JPEG of it and pack it again.`;
}

async function labelIn(tar: TarFile, { name, offset, size }: TarEntry, file: string): Promise<number> {
  const text = size <= 64 ? (await tar.read(offset, size)).toString('latin1').trim() : '';
  if (/^\+?\d+$/.test(text) && Number(text) <= MAX_LABEL) return Number(text);
  throw datasetError(`${name} in ${file} is not a class number (0, 1, 2, ...); pack it again.`);
}

/** The member `label` of an object, where it is a class number. */
async function labelInJson(tar: TarFile, { offset, size }: TarEntry): Promise<number | null> {
  if (size > MAX_JSON) return null;
  try {
    const label: unknown = JSON.parse((await tar.read(offset, size)).toString('utf8'))?.label;
    return typeof label === 'number' && Number.isInteger(label) && label >= 0 && label <= MAX_LABEL ? label : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
