import { bytesOf, macsOf, normBytesOf, outputsOf, rooflineOf, workOf } from '../../src/bench/roofline';
import type { LayerInfo } from '../../src/native/types/model';

const conv = { kind: 'conv', key: 'c', in: 2, out: 4, kernel: 3, groups: 1, bias: false, height: 5, width: 6 } as const;
const norm = { kind: 'batchnorm', key: 'n', channels: 4, height: 5, width: 6 } as const;
const relu = { ...norm, kind: 'relu', key: 'r' } as const;
const pool = { kind: 'avgpool', key: 'p', channels: 4, kernel: 5, height: 1, width: 1 } as const;
const linear = { kind: 'linear', key: 'l', in: 4, out: 3, bias: true } as const;
const layers: LayerInfo[] = [conv, norm, relu, pool, linear];
const network = { layers, input: [2, 5, 6] as [number, number, number] };

test('multiply-adds are those of convolutions and linear layers', () => {
  expect(layers.map(macsOf)).toEqual([9 * 2 * 4 * 30, 0, 0, 0, 12]);
  expect(macsOf({ ...conv, groups: 2 })).toBe(9 * 4 * 30);
});

test('a ReLU leaves nothing of its own', () => {
  expect(layers.map(outputsOf)).toEqual([120, 120, 0, 4, 3]);
});

test('work by the counting rule, at either size', () => {
  const values = 5 * (120 + 120 + 4 + 3) + 3 * 60;
  const parameters = 9 * 2 * 4 + 8 + 15;
  expect(workOf(network, 7, 'fp32')).toEqual({
    flops: 3 * 2 * (2160 + 12) * 7,
    activationBytes: values * 4 * 7,
    weightBytes: parameters * (2 * 4 + 6 * 4),
  });
  const bf16 = workOf(network, 7, 'bf16');
  expect(bf16).toMatchObject({ activationBytes: values * 2 * 7, weightBytes: parameters * (2 * 2 + 6 * 4) });
  expect(bytesOf(bf16)).toBe(bf16.activationBytes + bf16.weightBytes);
});

test('BatchNorm reads or writes its values eight times a step', () => {
  expect(normBytesOf(network, 7, 'fp32')).toBe(8 * 120 * 4 * 7);
  expect(normBytesOf(network, 7, 'bf16')).toBe(8 * 120 * 2 * 7);
});

test('the roofline is the larger of the two', () => {
  const work = { flops: 8e9, activationBytes: 3e6, weightBytes: 1e6 };
  expect(rooflineOf(work, { matmul: 2e12, copy: 1e9 })).toEqual({ arithmeticMs: 4, trafficMs: 4, stepMs: 4 });
  expect(rooflineOf(work, { matmul: 1e12, copy: 4e9 })).toEqual({ arithmeticMs: 8, trafficMs: 1, stepMs: 8 });
});
