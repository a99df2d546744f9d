import { EarlybirdError } from '../errors';
import { orDispose } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { ModelDescription, ModelSpec, NativeModel } from '../native/types/model';
import type { StateDict } from '../tensor';
import { firstNotFinite } from './finite';
import { inferNetwork, isSameNetwork } from './infer';

/** A new network with these weights. The caller owns it. `name` is that of the file in errors. */
export async function loadModel(
  addon: NativeAddon,
  spec: ModelSpec,
  state: StateDict,
  name = 'The state dict',
): Promise<NativeModel> {
  const model = await addon.createModel(spec);
  await orDispose(model, () => loadWeights(model, state, name));
  return model;
}

/**
 * Takes weights. Throws ERR_CHECKPOINT where they do not fit, naming the keys and the network that they look like, and
 * ERR_NUMERIC where they are not finite, as every answer of the network would then be wrong.
 */
export async function loadWeights(model: NativeModel, state: StateDict, name: string): Promise<void> {
  await loadFitting(model, state, name);
  requireFinite(state, name);
}

/** Throws ERR_NUMERIC where tensors of a checkpoint hold NaN or infinity. */
export function requireFinite(state: StateDict, name: string): void {
  const found = firstNotFinite(state);
  if (!found) return;
  const { key, count, of } = found;
  throw new EarlybirdError(
    'ERR_NUMERIC',
    `${name} holds NaN or infinity in ${count} of the ${of} values of ${key}: its training diverged, so take an earlier checkpoint.`,
  );
}

async function loadFitting(model: NativeModel, state: StateDict, name: string): Promise<void> {
  try {
    await model.loadStateDict(state);
  } catch (error) {
    const { code, message } = error as EarlybirdError;
    if (code !== 'ERR_CHECKPOINT') throw error;
    const text = misfitText(model.describe(), await model.stateDict(), state, name);
    throw text === undefined ? error : new EarlybirdError('ERR_CHECKPOINT', text, message);
  }
}

/** Keys that PyTorch's own networks lack; they take their defaults. */
const OPTIONAL = /(^|\.)(num_batches_tracked|indexes|downsample\.0\.bias)$/;

function misfitText(given: ModelDescription, own: StateDict, state: StateDict, name: string) {
  const { arch, depth, classes } = given;
  const missing = [...own.keys()].filter((key) => !state.has(key) && !OPTIONAL.test(key));
  const strange = [...state.keys()].filter((key) => !own.has(key));
  const other = [...state].flatMap(([key, { shape }]) => {
    const wanted = own.get(key)?.shape;
    if (!wanted || wanted.join() === shape.join()) return [];
    return [`${key} is (${shape.join(', ')}) instead of (${wanted.join(', ')})`];
  });
  const parts = [
    [missing, missing.length === 1 ? 'key is missing' : 'keys are missing'],
    [strange, strange.length === 1 ? 'key is strange' : 'keys are strange'],
    [other, other.length === 1 ? 'shape differs' : 'shapes differ'],
  ] as const;
  const found = parts
    .filter(([list]) => list.length > 0)
    .map(([list, what]) => `${list.length} ${what} (${listed(list)})`);
  if (found.length === 0) return undefined;
  const named = typeof arch === 'string' ? `--arch ${arch} --depth ${depth}` : `the network ${arch.name}`;
  const network = `${named} with ${classes} classes`;
  return `${name} does not fit ${network}: ${found.join(', ')}; ${likely(state, given)}.`;
}

function listed(list: readonly string[]): string {
  return list.length > 3 ? `${list.slice(0, 3).join(', ')}, ...` : list.join(', ');
}

/** Describes the network that the weights look like, with its widths where only these differ. */
function likely(state: StateDict, { arch, depth, cfg }: ModelDescription): string {
  const seen = inferNetwork(state);
  if (!seen) return 'its keys are of no network known here: give a file of one of them';
  const classes = seen.classes === undefined ? '' : ` with ${seen.classes} classes, as its --dataset has`;
  const hasOtherWidths = isSameNetwork(seen.arch, arch) && seen.depth === depth && seen.cfg.join() !== cfg.join();
  const widths = hasOtherWidths ? ` --cfg ${seen.cfg.join(' ')}` : '';
  return `its keys look like --arch ${seen.arch} --depth ${seen.depth}${widths}${classes}`;
}
