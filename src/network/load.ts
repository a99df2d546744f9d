import { orDispose } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { ModelSpec, NativeModel } from '../native/types/model';
import type { StateDict } from '../tensor';

/** A new network with these weights. The caller owns it. */
export async function loadModel(addon: NativeAddon, spec: ModelSpec, state: StateDict): Promise<NativeModel> {
  const model = await addon.createModel(spec);
  await orDispose(model, () => model.loadStateDict(state));
  return model;
}
