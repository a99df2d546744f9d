import { pruneLog } from '../../../src/cli/print/prune';
import type { Cfg, MaskResult, NativeModel } from '../../../src/native/types/model';
import type { Costs } from '../../../src/network/flops';
import { forwardFlops, maskFlops, maskMemoryKB, parameterCount } from '../../../src/network/flops';
import { type PruneReport, pruneText } from '../../../src/prune/report';
import type { StateDict } from '../../../src/tensor';
import { type Checks, maxDifference } from './checks';
import type { Context } from './networks';
import type { Seed } from './random';
import type { ImagesJson, SpecJson } from './reference';
import { floatsOf, SUM_TOLERANCE, sha256, sumsOf } from './tensors';

export interface TensorJson {
  dtype: string;
  shape: number[];
  sha256: string;
  first: number[];
  sum: number;
}

/** One ticket, as the reference's pruner drew it. */
export interface TicketJson {
  model: SpecJson;
  seed: Seed;
  gamma: string;
  p: number;
  init_seed?: Seed;
  original_model_param: number;
  original_model_flops: number;
  layers_total_remaining: [number, number][];
  memory_request: string;
  pruning_flops: string;
  cfg: Cfg;
  params_with_indexes: number;
  params_without_indexes: number;
  flops: number;
  prune_txt?: string;
  images: ImagesJson;
  logits_float32?: number[][];
  max_abs_dev_f32_vs_f64: number;
  tensors?: Record<string, TensorJson>;
  num_batches_tracked?: number[];
}

/** The channels that stay in each layer, and the lines that the reference prints about them and the dense network. */
export async function checkMask(checks: Checks, dense: NativeModel, mask: MaskResult, want: TicketJson): Promise<void> {
  const layers = dense.describe().batchNorms.map(({ channels }, i) => [channels, mask.keptPerLayer[i]]);
  checks.equal('layers: total and remaining', layers, want.layers_total_remaining);
  const before = await costsOf(dense);
  checks.equal('parameters of the dense network', before.parametersWithIndexes, want.original_model_param);
  checks.equal('FLOPs of the dense network', before.flops, want.original_model_flops);
  const log = pruneLog({ ...BLANK, ...maskCosts(mask), before }).split('\n');
  checks.equal(
    'memory',
    log.find((line) => line.startsWith('Memory')),
    want.memory_request,
  );
  checks.equal(
    'mask FLOPs',
    log.find((line) => line.startsWith('Flops')),
    want.pruning_flops,
  );
}

/** The small network's widths and costs, and the text of prune.txt about them. */
export async function checkStructure(checks: Checks, pruned: NativeModel, want: TicketJson): Promise<void> {
  const { cfg } = pruned.describe();
  checks.equal('cfg', cfg, want.cfg);
  const after = await costsOf(pruned);
  checks.equal('parameters with indexes', after.parametersWithIndexes, want.params_with_indexes);
  checks.equal('parameters without indexes', after.parameters, want.params_without_indexes);
  checks.equal('FLOPs', after.flops, want.flops);
  if (want.prune_txt === undefined) return;
  // Our file keeps the first part, which the reference overwrites.
  const text = pruneText({ ...BLANK, cfg, after });
  checks.equal('prune.txt', text.slice(-want.prune_txt.length), want.prune_txt);
}

async function costsOf(model: NativeModel): Promise<Costs> {
  const description = model.describe();
  const { parameters, withIndexes } = parameterCount(description, await model.stateDict());
  return { parameters, parametersWithIndexes: withIndexes, flops: forwardFlops(description.layers) };
}

const maskCosts = ({ total }: MaskResult) => ({ maskMemoryKB: maskMemoryKB(total), maskFlops: maskFlops(total) });

const NOTHING: Costs = { parameters: 0, parametersWithIndexes: 0, flops: 0 };

/** A report in which each comparison fills its part. */
const BLANK: PruneReport = {
  ticket: '',
  ratio: 0,
  surgery: 'reference',
  roundTo: 1,
  protective: false,
  effective: { channels: 0, parameters: 0, flops: 0 },
  threshold: 0,
  channels: 0,
  kept: 0,
  layers: [],
  maskMemoryKB: 0,
  maskFlops: 0,
  cfg: [],
  before: NOTHING,
  after: NOTHING,
  time: null,
  timeMissing: null,
  unrounded: null,
  completed: null,
  drawn: null,
};

/** Every tensor bit for bit; of those in `shapesOnly` (drawn afresh by the reference) the shape alone. */
export function checkTensors(checks: Checks, state: StateDict, want: TicketJson, shapesOnly: string[] = []): void {
  const weights = [...state].filter(([key]) => !key.endsWith('.num_batches_tracked'));
  const expected = want.tensors ?? {};
  checks.equal(
    'keys',
    weights.map(([key]) => key),
    Object.keys(expected),
  );
  for (const [key, tensor] of weights) {
    const record = expected[key];
    if (!record) continue;
    checks.equal(`${key} shape`, tensor.shape, record.shape);
    if (shapesOnly.includes(key)) continue;
    checks.equal(`${key} dtype`, tensor.dtype, record.dtype);
    checks.equal(`${key} first values`, floatsOf(tensor).slice(0, record.first.length), record.first.map(Math.fround));
    checks.equal(`${key} sha256`, sha256(tensor.data), record.sha256);
    const { sum, absSum } = sumsOf(floatsOf(tensor));
    checks.within(`${key} sum`, Math.abs(sum - record.sum), SUM_TOLERANCE * absSum);
  }
  const counts = [...state].filter(([key]) => key.endsWith('.num_batches_tracked'));
  for (const [key, { data }] of counts) checks.ok(`${key} is 0`, data.length === 8 && data.every((byte) => byte === 0));
}

export async function checkLogits(
  checks: Checks,
  context: Context,
  pruned: NativeModel,
  want: TicketJson,
): Promise<void> {
  const expected = want.logits_float32!;
  const logits = await pruned.forward(context.images(want.images), { train: false, precision: 'fp32' });
  checks.equal('shape of the logits', logits.shape, [expected.length, expected[0]!.length]);
  const difference = maxDifference(floatsOf(logits), expected.flat().map(Math.fround));
  checks.within('logits', difference, 20 * want.max_abs_dev_f32_vs_f64);
}
