/** `earlybird bench`: what is timed, alone or beside the PyTorch peer. */
import type { CommandModule } from 'yargs';
import { defineCommand } from '../command';

const step = defineCommand({
  name: 'benchStep',
  command: 'step',
  describe: 'Time the training step, alone or beside the modes of a PyTorch peer (peer_train.py)',
  run: async (recipe, options) => (await import('../../experiment/bench-peer.js')).bench(recipe, options),
  print: async (result) => (await import('../text.js')).benchText(result),
});

export const command: CommandModule = {
  command: 'bench <what>',
  describe: 'Time this program, alone or beside a PyTorch peer',
  builder: (yargs) => yargs.command(step).demandCommand(1),
  handler: () => {},
};
