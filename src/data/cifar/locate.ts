/** Finds CIFAR: an archive, the folder of its files, a folder above either, or class folders of images. */
import { stat } from 'node:fs/promises';
import * as path from 'node:path';
import { onDisk } from '../../errors';
import { datasetError, nullIfAbsent } from '../errors';
import { isImageData, isImageFolder } from '../folders/image-folder';
import { explainOthers } from '../shards/layout';
import type { CifarKind } from './cifar';

interface Place {
  kind: 'official' | 'images';
  path: string;
}

/**
 * Looks at `data`; without it at `./data.<name>` (as the reference does), then in the folder of `data fetch`. Rejects
 * with ERR_DATASET.
 */
export async function locateCifar(kind: CifarKind, data: string | undefined, cacheDir: string): Promise<Place> {
  const places = data ? [data] : [`data.${kind.name}`, path.join(cacheDir, kind.name)];
  for (const place of places) {
    const found = await lookIn(place, kind);
    if (found) return found;
  }
  if (data && (await isImageFolder(path.dirname(path.resolve(data)))))
    throw datasetError(
      `${data} is one part of a data set: give --data its parent, ${path.dirname(path.resolve(data))}.`,
    );
  if (data) await explainOthers(data);
  const remedy = `run "earlybird data fetch ${kind.name}", pass --data with the folder or archive, or use --dataset synthetic`;
  const looked = data ? `at ${data}` : `in ${places.join(' or ')}`;
  throw datasetError(`No ${kind.title} ${looked}: ${remedy}.`);
}

async function lookIn(place: string, kind: CifarKind): Promise<Place | null> {
  const type = await typeOf(place);
  if (type === 'file') return { kind: 'official', path: place };
  if (type === null) return null;
  for (const folder of [place, path.join(place, kind.python.folder), path.join(place, kind.binary.folder)])
    for (const form of [kind.python, kind.binary])
      if ((await typeOf(path.join(folder, form.test[0]!))) === 'file') return { kind: 'official', path: folder };
  for (const { archive } of [kind.python, kind.binary])
    if ((await typeOf(path.join(place, archive))) === 'file')
      return { kind: 'official', path: path.join(place, archive) };
  return (await isImageData(place)) ? { kind: 'images', path: place } : null;
}

async function typeOf(place: string): Promise<'file' | 'folder' | null> {
  const info = await onDisk(place, 'read', () => stat(place).catch(nullIfAbsent));
  return info?.isFile() ? 'file' : info?.isDirectory() ? 'folder' : null;
}
