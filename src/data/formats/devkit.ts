/** Reads the names of classes that come with ImageNet's archives: the development kit, or Kaggle's list. */
import { readdir, readFile } from 'node:fs/promises';
import * as path from 'node:path';
import { filesInArchive } from '../archive';
import { datasetError, nullIfAbsent } from '../errors';
import { readSynsets, type Synset } from './meta-mat';

const TRUTH = 'ILSVRC2012_validation_ground_truth.txt';
const META = 'meta.mat';
const SOLUTION = 'LOC_val_solution.csv';
/** Matches the development kit, except that of the third task, which covers dogs alone and numbers them differently. */
const KIT = /^ILSVRC2012_devkit(_t12)?(\.tar|\.tar\.gz|\.tgz)?$/i;
const MOST_BYTES = 64 << 20;

interface Kit {
  truth: Buffer | null;
  meta: Buffer | null;
  /** Path where the kit was found. */
  place: string;
}

/**
 * The wnid of each image of the validation set, by the number in its name; null where no file tells it. Rejects with
 * ERR_DATASET for damage.
 */
export async function truthIn(root: string, signal?: AbortSignal): Promise<Map<number, string> | null> {
  return truthOf(root, await kitIn(root, signal));
}

/** Returns the same, but rejects with ERR_DATASET where no file tells it. */
export async function groundTruth(root: string, archive: string, signal?: AbortSignal): Promise<Map<number, string>> {
  const kit = await kitIn(root, signal);
  const truth = await truthOf(root, kit);
  if (truth) return truth;
  const found = kit?.truth ? ` (${TRUTH} is there, but its numbers count in the order of ${META})` : '';
  throw datasetError(
    `Nothing beside ${archive} says the classes of its images${found}: put ILSVRC2012_devkit_t12.tar.gz there, or its data/${TRUTH} and data/${META}, or Kaggle's ${SOLUTION}.`,
  );
}

async function truthOf(root: string, kit: Kit | null): Promise<Map<number, string> | null> {
  if (kit?.truth && kit.meta) {
    // The numbers follow the order of the synsets, which is not that of the sorted wnids.
    const wnids = new Map(synsetsIn(kit).map(({ id, wnid }) => [id, wnid]));
    const lines = kit.truth
      .toString('latin1')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '');
    return new Map(
      lines.map((line, i) => {
        const wnid = wnids.get(Number(line));
        if (wnid === undefined)
          throw datasetError(
            `Line ${i + 1} of ${TRUTH} is "${line}", which is not a class of ${META} in ${kit.place}; fetch the development kit again.`,
          );
        return [i + 1, wnid];
      }),
    );
  }
  const solution = await readFile(path.join(root, SOLUTION), 'latin1').catch(nullIfAbsent);
  if (solution === null) return null;
  const named = [...solution.matchAll(/^ILSVRC2012_val_(\d{8}),(n\d{8}) /gm)];
  return new Map(named.map(([, image, wnid]) => [Number(image), wnid!]));
}

/** The classes of the development kit, sorted; null where it is not there. */
export async function kitClasses(root: string, signal?: AbortSignal): Promise<string[] | null> {
  const kit = await kitIn(root, signal);
  if (!kit?.meta) return null;
  return synsetsIn(kit)
    .filter(({ leaf }) => leaf)
    .map(({ wnid }) => wnid)
    .sort();
}

function synsetsIn({ meta, place }: Kit): Synset[] {
  try {
    return readSynsets(meta!);
  } catch (error) {
    throw datasetError(
      `${META} in ${place} cannot be read (${(error as Error).message}); fetch the development kit again.`,
    );
  }
}

/** Finds the kit in the folder, in a folder of the kit or its data/, or in its archive. */
async function kitIn(root: string, signal?: AbortSignal): Promise<Kit | null> {
  const names = (await readdir(root, { withFileTypes: true }).catch(() => [])).filter(({ name }) => KIT.test(name));
  const folders = names.filter((entry) => !entry.isFile()).map(({ name }) => name);
  let part: Kit | null = null;
  for (const place of ['.', 'data', 'devkit', 'devkit/data', ...folders.flatMap((name) => [name, `${name}/data`])]) {
    const read = (file: string) => readFile(path.join(root, place, file)).catch(nullIfAbsent);
    const kit = { truth: await read(TRUTH), meta: await read(META), place: path.join(root, place) };
    if (kit.truth && kit.meta) return kit;
    part ??= kit.truth || kit.meta ? kit : null;
  }
  for (const { name } of names.filter((entry) => entry.isFile())) {
    const kit: Kit = { truth: null, meta: null, place: path.join(root, name) };
    for await (const [file, bytes] of filesInArchive(
      kit.place,
      (file) => file === TRUTH || file === META,
      MOST_BYTES,
      signal,
    ))
      kit[file === TRUTH ? 'truth' : 'meta'] = bytes;
    if (kit.truth && kit.meta) return kit;
  }
  return part;
}
