/** Notes that a user should know before a run trains for hours. */
import type { ModelDescription } from '../native/types/model';
import { layerParameters } from '../network/flops';
import { isKept } from '../run/checkpoint-writer';

interface Settings {
  sr: boolean;
  epochs: number;
  keepCheckpoints: string;
  /** True where the search may end before all epochs. */
  stopAtTicket?: boolean;
}

/** Notes on a search. `completed`: number of epochs that are already trained. */
export function searchNotes(
  { sr, epochs, keepCheckpoints, stopAtTicket = false }: Settings,
  network: ModelDescription,
  completed = 0,
) {
  const left = Array.from({ length: Math.max(0, epochs - completed) }, (_, i) => completed + i);
  const files = left.filter((epoch) => isKept(keepCheckpoints, epoch, true)).length;
  const bytes = checkpointBytes(network);
  const upTo = stopAtTicket || keepCheckpoints === 'ticket' ? 'up to ' : '';
  return [
    ...(sr ? [] : ["no L1 term on the gammas (-sr): the paper's tickets are drawn with it"]),
    ...(files > 0
      ? [
          `checkpoints: ${upTo}${files} ${files === 1 ? 'file' : 'files'} ckpt{e}.pth.tar of ${megabytes(bytes)}, ${megabytes(files * bytes)} in all; --keep-checkpoints none, ticket or every:N keeps fewer`,
        ]
      : []),
  ];
}

/**
 * Bytes of a checkpoint: weights and momentum in float32, and the running statistics of BatchNorm, which are as many as
 * its weights.
 */
function checkpointBytes({ layers }: ModelDescription): number {
  const values = layers.reduce((sum, layer) => sum + (layer.kind === 'batchnorm' ? 3 : 2) * layerParameters(layer), 0);
  return 4 * values;
}

const megabytes = (bytes: number) =>
  bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
