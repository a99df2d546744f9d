import { readdirSync } from 'node:fs';
import type { NativeModel } from '../../src/native/types/model';
import { type Case, lazy } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { checkLogits, checkMask, checkStructure, checkTensors, type TicketJson } from './lib/ticket';

/** Tickets drawn from generated networks: counts, widths, costs, every tensor and the logits. */
export function* cases(context: Context): Iterable<Case> {
  const files = readdirSync(context.reference.path('prune')).filter((file) => file.endsWith('.json'));
  for (const file of files.sort()) {
    const name = file.slice(0, -'.json'.length);
    const want = context.reference.json<TicketJson>(`prune/${file}`);
    const drawn = lazy(() => draw(context, want));
    yield {
      name: `prune ${name} structure`,
      run: async () => {
        const { checks, pruned } = await drawn();
        await checkStructure(checks, pruned, want);
        return checks.done();
      },
    };
    yield {
      name: `prune ${name} tensors`,
      run: async () => {
        const checks = new Checks();
        checkTensors(checks, await (await drawn()).pruned.stateDict(), want);
        return checks.done();
      },
    };
    yield {
      name: `prune ${name} logits`,
      run: async () => {
        const checks = new Checks();
        const { pruned } = await drawn();
        await checkLogits(checks, context, pruned, want);
        pruned.dispose();
        return checks.done();
      },
    };
  }
}

/** Draws masks from the model; with `init_seed` all values are of another one (lottery-ticket rewind). */
async function draw(context: Context, want: TicketJson): Promise<{ checks: Checks; pruned: NativeModel }> {
  const dense = await context.load(want.model, want.seed, want.gamma);
  const weightsFrom = want.init_seed === undefined ? undefined : await context.load(want.model, want.init_seed);
  const [mask] = await dense.masks([want.p]);
  const checks = new Checks();
  await checkMask(checks, dense, mask!, want);
  const { model: pruned } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one', weightsFrom });
  dense.dispose();
  weightsFrom?.dispose();
  return { checks, pruned };
}
