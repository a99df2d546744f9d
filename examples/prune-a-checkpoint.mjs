// Prunes a PyTorch checkpoint of a network we know (`torch.save(model.state_dict(), FILE)` or a training checkpoint), and writes
// FOLDER/pruned.pth.tar, which `torch.load(..., weights_only=True)` reads: `cfg`, the widths, and `state_dict`.
//   node examples/prune-a-checkpoint.mjs FILE RATIO FOLDER [ARCH DEPTH]
import { cfgOf, EarlybirdError, parseRecipe, prune, readCheckpoint } from 'earlybird-tickets';

const [model, ratio, save, arch, depth] = process.argv.slice(2);
if (save === undefined) throw new Error('usage: prune-a-checkpoint.mjs FILE RATIO FOLDER [ARCH DEPTH]');

try {
  const recipe = parseRecipe('prune', {
    model,
    percent: Number(ratio),
    save,
    arch,
    depth: depth && Number(depth),
    measure: false,
  });
  const report = await prune(recipe, { observer: { log: (line) => console.error(line) } });

  for (const { key, kept, total } of report.layers) console.log(`${key.padEnd(24)} ${kept} of ${total} channels`);
  const { before, after } = report;
  console.log(`parameters ${before.parameters} -> ${after.parameters}, FLOPs ${before.flops} -> ${after.flops}`);

  const { value } = await readCheckpoint(report.ticket);
  console.log(`cfg ${cfgOf(value, report.ticket).join(' ')}`);
  console.log(`written to ${report.ticket}`);
} catch (error) {
  if (!(error instanceof EarlybirdError)) throw error;
  console.error(`${error.message} [${error.code}]`);
  process.exitCode = 1;
}
