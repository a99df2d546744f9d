/** `earlybird distance`: the mask-distance matrix of a run. */
import { distance } from '../../experiment/distance';
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'distance',
  describe: 'Write overlap_{p}.npy, the fraction of equal mask bits of every two epochs, from masks or checkpoints',
  run: distance,
  print: (results) =>
    results
      .map(
        ({ file, epochs, source }) =>
          `${file}: ${epochs.length} x ${epochs.length}, after ${epochs[0]} to ${epochs.at(-1)} epochs, from ${source}`,
      )
      .join('\n'),
});
