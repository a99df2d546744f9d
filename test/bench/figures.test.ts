/** The figures that benchmarks compute from their measurements. */

import { against, ceilingsOf, normalisationOf, type ProfileBench, perStep } from '../../src/bench/profile';
import { summarise } from '../../src/bench/ticket';
import { gammasFor } from '../../src/bench/workload';
import { profileText } from '../../src/cli/print/profile';
import { ticketText } from '../../src/cli/print/step';
import type { KernelTime } from '../../src/native/types/number-formats';
import type { StepProfile } from '../../src/native/types/profile';
import { H200, machineWith } from '../support/machine';

const profile = {
  source: 'kernels',
  kernels: [
    { name: 'sm90_xmma_gemm', calls: 4, milliseconds: 6 },
    { name: 'void at::native::vectorized_elementwise_kernel', calls: 8, milliseconds: 2 },
  ],
  launches: 2,
  span: 12,
  busy: 8,
  gaps: 4,
  longestGap: 1.5,
  pass: { steps: 2 },
} as StepProfile;

const times: KernelTime[] = [
  { kernel: 'copy', name: 'fp32', shape: [1000], bytes: 8e6, median: 2, low: 2, high: 2 },
  { kernel: 'matmul', name: 'fp32', shape: [10, 10, 10], bytes: 1, median: 4, low: 4, high: 4 },
  { kernel: 'matmul', name: 'bf16', shape: [10, 10, 10], bytes: 1, median: 1, low: 1, high: 1 },
];

test('a profile of two steps as that of one', () => {
  expect(perStep(profile, 1)).toEqual({
    source: 'kernels',
    families: [
      { family: 'matrix product', calls: 2, milliseconds: 3, share: 0.75 },
      { family: 'elementwise', calls: 4, milliseconds: 1, share: 0.25 },
    ],
    top: [{ name: 'sm90_xmma_gemm', calls: 2, milliseconds: 3 }],
    kernels: 6,
    launches: 1,
    idleMs: 2,
    gaps: 2,
    longestGapMs: 1.5,
  });
});

test('ceilings from times; without bf16 instructions the product is that of fp32', () => {
  expect(ceilingsOf(times, 'bf16')).toEqual({ copyGBps: 4, matmulTflops: 2000 / 1e9, matmulPrecision: 'bf16' });
  expect(ceilingsOf(times.slice(0, 2), 'bf16')).toMatchObject({ matmulTflops: 500 / 1e9, matmulPrecision: 'fp32' });
});

test('shares of the roofline, and the profile as text', () => {
  const work = { flops: 1e12, activationBytes: 3e9, weightBytes: 1e9 };
  const { roofline, shares } = against(work, 10, { copy: 1e12, matmul: 5e14 });
  expect(roofline).toEqual({ arithmeticMs: 2, trafficMs: 4, stepMs: 4 });
  expect(shares).toEqual({ arithmetic: 0.2, traffic: 0.4, roofline: 0.4 });
  const result: ProfileBench = {
    bench: 'profile',
    machine: machineWith(H200),
    ...{ model: 'vgg16', batchSize: 256, device: 'cuda:0', precision: 'bf16', ticket: null, steps: 2, quick: false },
    stepMs: { median: 10, low: 9, high: 11 },
    ...perStep(profile, 5),
    convolutions: {},
    ceilings: { copyGBps: 1000, matmulTflops: 500, matmulPrecision: 'bf16' },
    normalisation: { bytes: 2e9, copyShare: 0.715 },
    work: { ...work, bytes: 4e9 },
    roofline,
    shares,
  };
  const text = profileText(result);
  expect(text).toContain('6 kernels and 1.0 launches a step; idle 2.000 ms in 2.0 gaps, the longest 1.500 ms');
  expect(text).toMatch(/^ +3\.000 +2\.0 +75\.0 % {2}matrix product$/m);
  expect(text).toContain('reaches 40.0 % of it');
  expect(text).toMatch(/^normalisation moves 2000\.0 MB: 71\.5 % of the copy rate$/m);
  const without = { ...result, normalisation: { bytes: 0, copyShare: null } };
  expect(profileText(without)).not.toContain('normalisation');
  expect(profileText({ ...result, source: 'operators' })).toContain('calls of the host, not kernels');
});

test('the rate of normalisation beside that of a copy', () => {
  const families = [{ family: 'normalisation' as const, calls: 5, milliseconds: 4 }];
  expect(normalisationOf(families, 6e6, { copyGBps: 3 })).toEqual({ bytes: 6e6, copyShare: 0.5 });
  expect(normalisationOf([], 6e6, { copyGBps: 3 })).toEqual({ bytes: 6e6, copyShare: null });
  const joined = [...families, { family: 'normalising convolution' as const, calls: 1, milliseconds: 1 }];
  expect(normalisationOf(joined, 6e6, { copyGBps: 3 })).toEqual({ bytes: 6e6, copyShare: null });
});

test('a ticket against the dense network and the peer', () => {
  const pair = (dense: number, ticket: number) => ({ runs: [{ dense, ticket }] });
  const ticket = { ratio: 0.5, roundTo: 8, cfg: [8], flopsRatio: 0.25, parameterRatio: 0.2 };
  const runs = {
    earlybird: pair(10, 3),
    reference: pair(50, 30),
    tuned: pair(12, 4.5),
    compiled: { runs: [], failure: 'no compiler' },
  };
  const recipe = { model: 'vgg16', batchSize: 256, steps: 5, rounds: 1, precision: 'bf16' } as const;
  const result = summarise({ machine: machineWith(), ticket, kernels: {} }, recipe, runs);
  expect(result.systems.earlybird!.stepRatio).toBe(0.3);
  expect(result.overFlops).toBeCloseTo(1.2, 12);
  expect(result.ratios).toEqual({ reference: 10, tuned: 1.5, compiled: null });
  expect(result.best).toBe(1.5);
  expect(result.overPeer).toEqual({ reference: 0.3 / 0.6, tuned: 0.3 / 0.375, compiled: null });
  expect(Object.values(result.systems).map(({ dtype }) => dtype)).toEqual(['bf16', 'fp32', 'bf16', 'bf16']);
  expect(ticketText(result)).toMatch(/^tuned +12\.00 +4\.50 +0\.375 +1\.50x$/m);
  expect(ticketText(result)).toMatch(/^compiled +no figure: no compiler$/m);
});

test('every gamma is another, in an order that the seed decides', () => {
  const batchNorms = [
    { key: 'a', channels: 3 },
    { key: 'b', channels: 5 },
  ];
  const values = (seed: number) =>
    [...gammasFor({ batchNorms }, seed).values()].flatMap(({ data }) => [...new Float32Array(data.buffer)]);
  expect(new Set(values(1)).size).toBe(8);
  expect(values(1)).toEqual(values(1));
  expect(values(2)).not.toEqual(values(1));
  expect(Math.min(...values(1)) > 0 && Math.max(...values(1)) < 1).toBe(true);
});
