import type { Cfg } from '../../src/native/types/model';
import type { Case } from './lib/case';
import { Checks, maxDifference } from './lib/checks';
import type { Context } from './lib/networks';
import type { Seed } from './lib/random';
import type { ImagesJson } from './lib/reference';
import { floatsOf } from './lib/tensors';
import { checkMask, checkStructure, type TicketJson } from './lib/ticket';

interface CutJson {
  p: number;
  seed: Seed;
  original_model_param: number;
  original_model_flops: number;
  memory_request: string;
  pruning_flops: string;
  cfg: Cfg;
  bn_kept: number[];
  params: number;
  flops: number;
  free_width_model_forward?: { seed: Seed; images: ImagesJson; first_20_logits: number[] };
}

/** Measured float32 deviation of this network in eval mode (the reference's table), times its factor of 20. */
const LOGIT_TOLERANCE = 20 * 4.5e-6;

/**
 * The ResNet-50 pruner: counts, widths and costs of the free-width network. The reference copies no weights there, so
 * that there are no golden values; test/native/pruner.test.ts tests that ours are those of the dense network.
 */
export function* cases(context: Context): Iterable<Case> {
  for (const want of context.reference.json<{ cases: CutJson[] }>('prune_resnet50.json').cases) {
    yield {
      name: `prune_resnet50 p = ${want.p}`,
      run: async () => {
        const checks = new Checks();
        const spec = { arch: 'resnet50_official', dataset: 'imagenet' };
        const dense = await context.load(spec, want.seed);
        const [mask] = await dense.masks([want.p]);
        const layers = dense.describe().batchNorms.map(({ channels }, i) => [channels, want.bn_kept[i]!]);
        const ticket = {
          ...want,
          layers_total_remaining: layers,
          params_with_indexes: want.params,
          params_without_indexes: want.params,
        } as unknown as TicketJson;
        await checkMask(checks, dense, mask!, ticket);
        const { model: pruned } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
        dense.dispose();
        checks.equal('arch', pruned.describe().arch, 'resnet50_prune');
        await checkStructure(checks, pruned, ticket);
        if (want.free_width_model_forward) {
          const { seed, images, first_20_logits: expected } = want.free_width_model_forward;
          await context.refill(pruned, seed);
          const logits = await pruned.forward(context.images(images), { train: false, precision: 'fp32' });
          const first = floatsOf(logits).slice(0, expected.length);
          checks.within('logits', maxDifference(first, expected.map(Math.fround)), LOGIT_TOLERANCE);
        }
        pruned.dispose();
        return checks.done();
      },
    };
  }
}
