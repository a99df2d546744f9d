/** Sorts kernels and operators by their names into families of one kind of work. */
import type { KernelUse } from '../native/types/profile';

export const FAMILIES = [
  'convolution',
  'normalising convolution',
  'matrix product',
  'normalisation',
  'elementwise',
  'reduction',
  'pooling',
  'optimiser',
  'data',
  'copy',
  'other',
] as const;
export type Family = (typeof FAMILIES)[number];

/**
 * Patterns of names, of which the first match counts. Names are those of cuDNN, cuBLAS, ATen and our own kernels on a
 * GPU, and of ATen's operators and our autograd nodes on a CPU. Narrow patterns come first: a copy is an elementwise
 * kernel by name.
 */
const PATTERNS: readonly (readonly [RegExp, Family])[] = [
  [/step_kernel|sgd_step|_fused_sgd|FusedSgd|multi_tensor_apply|_foreach_/i, 'optimiser'],
  [/NormConvolution/, 'normalising convolution'],
  [/cuda_norm::|earlybird::norm_/, 'normalisation'],
  [
    /crop_flip|pixels_to_input|next_labels|augment|index_select|gather|_index_|IndexKernel|randperm|aten::index\b/i,
    'data',
  ],
  [/batch_?norm|bn_(fw|bw)|(Fused|Selected)Norm\b|normali[sz]e|native_layer_norm|welford/i, 'normalisation'],
  [/winograd|conv|fprop|dgrad|wgrad|implicit_gemm|whole_image|im2col|col2im/i, 'convolution'],
  [/gemm|gemv|nvjet|cutlass|cublas|splitK|::b?mm\b|::b?addb?mm_?\b|::baddbmm_?\b|::linear\b/i, 'matrix product'],
  [/pool/i, 'pooling'],
  [/block_quantize|row_kernel|round_kernel|tops_kernel/i, 'elementwise'],
  [
    /memcpy|memset|copy|nchwToNhwc|nhwcToNchw|transpose|CatArray|aten::(fill_|zero_|clone|contiguous|to|cat)\b/i,
    'copy',
  ],
  [/reduce|softmax|nll_loss|cross_entropy|aten::(sum|mean|max|argmax|topk|norm)\b|topk|sort/i, 'reduction'],
  [
    /elementwise|threshold|relu|aten::(add|sub|mul|div|sqrt|rsqrt|lerp|eq|ne|gt|lt|clamp|sign|abs)_?\b|AddBackward|MulBackward/i,
    'elementwise',
  ],
];

export function familyOf(name: string): Family {
  return PATTERNS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

export interface FamilyUse {
  family: Family;
  calls: number;
  milliseconds: number;
}

/** Sums by family, with the longest time first; families without a call are left out. */
export function byFamily(kernels: readonly KernelUse[]): FamilyUse[] {
  const sums = new Map<Family, FamilyUse>();
  for (const { name, calls, milliseconds } of kernels) {
    const family = familyOf(name);
    const sum = sums.get(family) ?? { family, calls: 0, milliseconds: 0 };
    sums.set(family, { family, calls: sum.calls + calls, milliseconds: sum.milliseconds + milliseconds });
  }
  return [...sums.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}
