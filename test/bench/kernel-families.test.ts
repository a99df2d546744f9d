import { byFamily, type Family, familyOf } from '../../src/bench/kernel-families';

const KNOWN: [string, Family][] = [
  ['sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64', 'convolution'],
  ['sm90_xmma_wgrad_implicit_gemm_indexed_bf16', 'convolution'],
  ['void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816dgrad_optimized_bf16_128x128>', 'convolution'],
  ['aten::mkldnn_convolution', 'convolution'],
  [
    'torch::autograd::CppNode<earlybird::(anonymous namespace)::Convolution<&earlybird::winograd::forward> >',
    'convolution',
  ],
  ['nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NTT', 'matrix product'],
  ['sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64', 'matrix product'],
  ['aten::bmm', 'matrix product'],
  ['aten::addmm_', 'matrix product'],
  ['void cudnn::bn_fw_tr_1C11_kernel_NCHW<__nv_bfloat16, float, 512, true>', 'normalisation'],
  ['void at::native::(anonymous namespace)::batch_norm_transform_input_channels_last_kernel<float>', 'normalisation'],
  ['torch::autograd::CppNode<earlybird::(anonymous namespace)::FusedNorm>', 'normalisation'],
  ['torch::autograd::CppNode<earlybird::(anonymous namespace)::SelectedNorm>', 'normalisation'],
  ['torch::autograd::CppNode<earlybird::(anonymous namespace)::NormConvolution>', 'normalising convolution'],
  ['torch::autograd::CppNode<earlybird::(anonymous namespace)::SelectedNormConvolution>', 'normalising convolution'],
  ['void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>', 'elementwise'],
  ['void at::native::elementwise_kernel<128, 4, at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)>', 'copy'],
  ['Memcpy DtoD (Device -> Device)', 'copy'],
  ['Memset (Device)', 'copy'],
  ['void nchwToNhwcKernel<float, float, float, false, true>', 'copy'],
  ['void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float>>>', 'reduction'],
  ['aten::_log_softmax', 'reduction'],
  ['void at::native::(anonymous namespace)::max_pool_forward_nhwc<float>', 'pooling'],
  ['void at::native::multi_tensor_apply_kernel<at::native::FusedSgdMathFunctor<float>>', 'optimiser'],
  ['void earlybird::step_kernel<float>(Table, Step)', 'optimiser'],
  ['aten::_fused_sgd_', 'optimiser'],
  ['earlybird::crop_flip_kernel(unsigned char const*)', 'data'],
  ['void at::native::index_elementwise_kernel<128, 4, gather>', 'data'],
  ['aten::empty', 'other'],
];

test.each(KNOWN)('%s', (name, family) => {
  expect(familyOf(name)).toBe(family);
});

test('sums by family, most time first', () => {
  const use = (name: string, calls: number, milliseconds: number) => ({ name, calls, milliseconds });
  expect(byFamily([use('aten::bmm', 2, 1), use('aten::mm', 1, 2), use('aten::_fused_sgd_', 1, 5)])).toEqual([
    { family: 'optimiser', calls: 1, milliseconds: 5 },
    { family: 'matrix product', calls: 3, milliseconds: 3 },
  ]);
});
