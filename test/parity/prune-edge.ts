import type { Cfg, MaskResult, NativeModel } from '../../src/native/types/model';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { floatsOf } from './lib/tensors';
import { checkLogits, checkMask, checkStructure, checkTensors, type TicketJson } from './lib/ticket';

interface EdgeJson {
  cases: Record<string, TicketJson & { edit: string; error: string | null; not_inherited?: string[] }>;
}

type Edge = EdgeJson['cases'][string];

/**
 * Tickets with layers that would become empty. The reference loses weights or fails here; ours keeps the channel with the largest
 * |gamma| and its real values, refuses a mask without any channel, and with `remove` reproduces the reference's widths.
 */
export function* cases(context: Context): Iterable<Case> {
  for (const [name, edge] of Object.entries(context.reference.json<EdgeJson>('prune_edge.json').cases)) {
    yield {
      name: `prune_edge ${name}`,
      run: async () => {
        const dense = await context.load(edge.model, edge.seed, edited(edge));
        try {
          return await check(context, dense, edge);
        } finally {
          dense.dispose();
        }
      },
    };
  }
}

async function check(context: Context, dense: NativeModel, edge: Edge): Promise<string> {
  const [mask] = await dense.masks([edge.p]);
  const checks = new Checks();
  await checkMask(checks, dense, mask!, edge);
  const remaining = edge.layers_total_remaining.map(([, kept]) => kept);
  if (remaining.every((kept) => kept === 0)) return checkRefusal(checks, dense, mask!);
  if (remaining.every((kept) => kept > 0)) {
    const { model } = await dense.prune({ mask: mask!.bits, emptyLayers: 'keep-one' });
    await checkStructure(checks, model, edge);
    checkTensors(checks, await model.stateDict(), edge);
    await checkLogits(checks, context, model, edge);
    model.dispose();
    return checks.done();
  }
  await checkKeepOne(checks, context, dense, mask!, edge);
  // Only VGG loses whole layers in the reference; the other families keep channel 0, and have the widths of keep-one.
  if (edge.cfg.includes('M')) await checkRemove(checks, dense, mask!, edge);
  return checks.done();
}

async function checkRefusal(checks: Checks, dense: NativeModel, mask: MaskResult): Promise<string> {
  for (const emptyLayers of ['keep-one', 'remove'] as const) {
    try {
      const { model } = await dense.prune({ mask: mask.bits, emptyLayers });
      checks.equal(`cfg of '${emptyLayers}' (a mask without channels)`, model.describe().cfg, 'refused');
      model.dispose();
    } catch (error) {
      checks.equal(`code of the refusal of '${emptyLayers}'`, (error as { code?: string }).code, 'ERR_PRUNE');
    }
  }
  checks.done();
  return 'refused';
}

/** Layers keep the mask's channels; an empty one keeps the one with the largest |gamma|, with its real values. */
async function checkKeepOne(
  checks: Checks,
  context: Context,
  dense: NativeModel,
  mask: MaskResult,
  edge: Edge,
): Promise<void> {
  const { model, layers } = await dense.prune({ mask: mask.bits, emptyLayers: 'keep-one' });
  const counts = edge.layers_total_remaining.map(([, kept]) => Math.max(1, kept));
  const clamped = edge.layers_total_remaining.map(([, kept]) => (kept === 0 ? 1 : 0));
  checks.equal(
    'kept by layer',
    layers.map(({ kept }) => kept),
    counts,
  );
  checks.equal(
    'clamped by layer',
    layers.map((layer) => layer.clamped),
    clamped,
  );
  checks.ok('no layer is removed', !layers.some(({ removed }) => removed));
  const { cfg } = model.describe();
  checks.equal('cfg', cfg, edge.cfg.includes('M') ? widths(dense.describe().cfg, counts) : edge.cfg);

  const before = await dense.stateDict();
  const after = await model.stateDict();
  const small = model.describe().batchNorms;
  for (const [i, { key }] of dense.describe().batchNorms.entries()) {
    const target = small[i]!;
    if (!clamped[i] || target.channels !== 1) continue;
    const gammas = floatsOf(before.get(`${key}.weight`)!);
    const largest = gammas.reduce((best, gamma, c) => (Math.abs(gamma) > Math.abs(gammas[best]!) ? c : best), 0);
    for (const field of ['weight', 'bias', 'running_mean', 'running_var']) {
      const value = floatsOf(before.get(`${key}.${field}`)!)[largest];
      checks.equal(`${target.key}.${field} of the channel kept`, floatsOf(after.get(`${target.key}.${field}`)!), [
        value,
      ]);
    }
  }
  const logits = await model.forward(context.images(edge.images), { train: false, precision: 'fp32' });
  checks.ok('finite logits', floatsOf(logits).every(Number.isFinite));
  model.dispose();
}

/** Compares widths with the reference's own, and the tensors that the reference did not lose. */
async function checkRemove(checks: Checks, dense: NativeModel, mask: MaskResult, edge: Edge): Promise<void> {
  const { model, layers } = await dense.prune({ mask: mask.bits, emptyLayers: 'remove' });
  checks.equal(
    'layers removed',
    layers.map(({ removed }) => removed),
    edge.layers_total_remaining.map(([, kept]) => kept === 0),
  );
  await checkStructure(checks, model, edge);
  if (edge.tensors) checkTensors(checks, await model.stateDict(), edge, edge.not_inherited);
  model.dispose();
}

/** A VGG cfg with other widths and the pools where they were. */
function widths(cfg: Cfg, counts: number[]): Cfg {
  let next = 0;
  return cfg.map((width) => (width === 'M' ? 'M' : counts[next++]!));
}

/** The gammas that a case's words ask for. */
function edited({ edit, gamma }: Edge) {
  if (edit.startsWith('nothing edited')) return gamma;
  const constant = /^all gammas ([\d.]+)/.exec(edit);
  if (constant) return (values: Float32Array) => values.fill(Number(constant[1]));
  const scaled = /^BN number (\d+).*gamma multiplied by 2\^(-?\d+)/.exec(edit);
  if (!scaled) throw new Error(`this edit is not understood: '${edit}'`);
  const single = /gamma\[(\d+)\] = ([\d.]+)/.exec(edit);
  return (values: Float32Array, bn: number) => {
    if (bn !== Number(scaled[1])) return values;
    const changed = values.map((value) => value * 2 ** Number(scaled[2]));
    if (single) changed[Number(single[1])] = Number(single[2]);
    return changed;
  };
}
