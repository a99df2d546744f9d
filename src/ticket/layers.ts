/** The layers under the masks of a run. */
import { existsSync } from 'node:fs';
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/read';
import { CHECKPOINT, type MaskIndex, type RunDirectory } from '../run/directory';
import { channelsOf } from './detectors/detector';

/**
 * Number of channels of each layer, in the order of the bits: from the index of the masks, else from the BatchNorm
 * layers in a checkpoint of the run. Null where neither has them.
 */
export async function layersUnder(directory: RunDirectory, index: MaskIndex): Promise<number[] | null> {
  if (index.layers) return index.layers;
  const path = ['init.pth.tar', CHECKPOINT, 'model_best.pth.tar'].map((name) => directory.file(name)).find(existsSync);
  if (path === undefined) return null;
  const state = stateDictOf((await readCheckpoint(path)).value, path);
  const widths = [...state].flatMap(([key, { shape }]) => (key.endsWith('.running_var') ? shape[0]! : []));
  return channelsOf(widths) === index.channels ? widths : null;
}
