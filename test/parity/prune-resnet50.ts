import type { Case } from './lib/case';
import type { Context } from './lib/networks';

/**
 * The ResNet-50 pruner: widths and costs of the free-width network. Asks the addon for both networks, so that the cases are
 * skipped by name until they are built; the comparison itself comes with them.
 */
export function* cases(context: Context): Iterable<Case> {
  const { cases: tickets } = context.reference.json<{ cases: { p: number }[] }>('prune_resnet50.json');
  for (const { p } of tickets) {
    yield {
      name: `prune_resnet50 p = ${p}`,
      run: async () => {
        await context.create({ arch: 'resnet50_official', dataset: 'imagenet' });
        await context.create({ arch: 'resnet50_prune', dataset: 'imagenet' });
        throw new Error('both networks are built: write their comparison here');
      },
    };
  }
}
