import { forwardFlops, parameterCount } from '../../src/network/flops';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import type { SpecJson } from './lib/reference';

interface CostsJson {
  model: SpecJson;
  params_with_indexes: number;
  params_without_indexes: number;
  bn_layers: number;
  bn_channels: number;
  flops: number;
  state_dict_entries: number;
}

/** Parameters, BN layers and FLOPs of every network. */
export function* cases(context: Context): Iterable<Case> {
  const networks = context.reference.json<{ cases: Record<string, CostsJson> }>('flops.json').cases;
  for (const [name, want] of Object.entries(networks)) {
    yield {
      name: `flops ${name}`,
      run: async () => {
        const model = await context.create(want.model);
        const description = model.describe();
        const state = await model.stateDict();
        model.dispose();
        const { parameters, withIndexes } = parameterCount(description, state);
        const checks = new Checks();
        checks.equal('parameters with indexes', withIndexes, want.params_with_indexes);
        checks.equal('parameters without indexes', parameters, want.params_without_indexes);
        checks.equal('BN layers', description.batchNorms.length, want.bn_layers);
        const channels = description.batchNorms.reduce((sum, bn) => sum + bn.channels, 0);
        checks.equal('BN channels', channels, want.bn_channels);
        checks.equal('FLOPs', forwardFlops(description.layers), want.flops);
        checks.equal('state dict entries', state.size, want.state_dict_entries);
        return checks.done();
      },
    };
  }
}
