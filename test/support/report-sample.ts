/** A small, made-up report that the report tests share. */

import type { MaskMatrix, ReportInput } from '../../src/report/input';
import type { EpochMetrics } from '../../src/run/metrics';

export function epochMetrics(epoch: number, change: Partial<EpochMetrics> = {}): EpochMetrics {
  const top1 = 60 - 50 * 0.8 ** epoch;
  return {
    epoch,
    completed: epoch + 1,
    lr: epoch < 8 ? 0.1 : 0.01,
    train: { loss: 2 * 0.8 ** epoch, lossBatchMean: 2 * 0.8 ** epoch, top1, top1BatchMean: top1 },
    test: { loss: 2.2 * 0.8 ** epoch, top1: top1 - 2, top1BatchMean: top1 - 2, top5: top1 + 20 },
    seconds: { train: 2, evaluate: 1 },
    imagesPerSecond: 1000,
    joules: null,
    distances: { '30': epoch < 4 ? null : [1, 2, 3, 4].map((age) => age / (epoch * epoch)) },
    emerged: epoch >= 7 ? { '30': 8 } : {},
    ...change,
  };
}

export function maskMatrix(epochs: number[], change: Partial<MaskMatrix> = {}): MaskMatrix {
  const overlap = new Float64Array(epochs.length ** 2);
  epochs.forEach((a, i) => {
    epochs.forEach((b, j) => {
      overlap[i * epochs.length + j] = 1 - Math.abs(1 / (a + 1) - 1 / (b + 1));
    });
  });
  return { network: 'VGG-16', ratio: 0.3, epochs, overlap, emergedAt: 7, window: 5, compared: 'newest', ...change };
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export const SAMPLE: ReportInput = {
  title: 'Demo <script>alert(1)</script>',
  dataset: { name: 'shapes-10', synthetic: true, train: 4096, test: 1024 },
  recipe: { arch: 'vgg', depth: 16, note: '</pre><script>alert(2)</script>' },
  provenance: { command: 'earlybird train --preset "demo" <x>', seed: '1' },
  runs: [
    { name: 'search (dense)', phase: 'search', metrics: range(12).map((epoch) => epochMetrics(epoch)) },
    {
      name: 'ticket <script>',
      phase: 'retrain',
      metrics: range(12).map((epoch) => epochMetrics(epoch, { distances: {}, emerged: {} })),
    },
  ],
  matrices: [
    maskMatrix(range(12)),
    maskMatrix(range(12), { ratio: 0.5, emergedAt: null }),
    maskMatrix(range(12), { network: 'PreResNet-101', ratio: 0.3 }),
  ],
  channels: [
    {
      name: 'VGG-16',
      ratio: 0.3,
      layers: [
        { key: 'feature.1.weight', total: 64, kept: 40, clamped: 0 },
        { key: 'feature.4.weight', total: 64, kept: 1, clamped: 1 },
      ],
    },
  ],
  drawing: [
    { name: 'VGG-16', ratio: 0.3, dense: 72.4, points: [4, 8, 16].map((epoch) => ({ epoch, top1: 72 - 8 / epoch })) },
    { name: 'VGG-16', ratio: 0.5, dense: 72.4, points: [4, 8, 16].map((epoch) => ({ epoch, top1: 71 - 8 / epoch })) },
  ],
  summary: [
    {
      label: 'dense',
      top1Last: 72.3,
      top1Best: 72.68,
      parameters: 14723136,
      flops: 628862976,
      seconds: 1843.2,
      joules: null,
    },
    {
      label: 'ticket <b>p=0.3</b>',
      top1Last: 71.9,
      top1Best: Number.NaN,
      parameters: 9128420,
      flops: 412862976,
      seconds: 12.34,
      joules: null,
    },
  ],
};
