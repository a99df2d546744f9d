/** `earlybird distance`: the mask-distance matrix of a run. */
import { defineCommand } from '../command';

export const command = defineCommand({
  name: 'distance',
  describe: 'Write overlap_{p}.npy, the fraction of equal mask bits of every two epochs, from masks or checkpoints',
  run: async (recipe, options) => (await import('../../ticket/distance.js')).distance(recipe, options),
  print: async (results) =>
    results
      .map(({ file, epochs, source }) => {
        const [first, last] = [epochs[0], epochs.at(-1)];
        return `${file}: ${epochs.length} x ${epochs.length}, after ${first} to ${last} epochs, from ${source}`;
      })
      .join('\n'),
});
