/** A run small enough for tests: a narrow VGG on a handful of synthetic images, a second or two for all its epochs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EpochMetrics } from '../../src/run/metrics';

const network = [
  '--dataset',
  'synthetic',
  '--limit-train',
  '192',
  '--limit-test',
  '64',
  '--arch',
  'vgg',
  '--depth',
  '11',
];
const cfg = ['--cfg', '16', 'M', '16', 'M', '32', '32', 'M', '64', '64', 'M', '64', '64'];
const training = [
  '--batch-size',
  '32',
  '--test-batch-size',
  '64',
  '--schedule',
  '4',
  '--lr',
  '0.05',
  '-sr',
  '--seed',
  '3',
];
const runtime = ['--device', 'cpu', '--threads', '1', '--report', 'false'];

export const TINY = [...network, ...cfg, ...training, ...runtime];
/** Makes a ticket emerge at once: every distance is below 1, so the first full window will do. */
export const EAGER = ['--detector-window', '2', '--detector-threshold', '1'];

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'eb-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Everything that a run must reproduce bit for bit: its files, and metrics without measured times. */
export function outcomeOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(\.pth\.tar|\.bits|record\.txt)$/.test(name),
  );
  const contents = files.sort().map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);
  return { ...Object.fromEntries(contents), metrics: JSON.stringify(metricsOf(folder)) };
}

export function metricsOf(folder: string): Omit<EpochMetrics, 'seconds' | 'imagesPerSecond' | 'energy'>[] {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { seconds, imagesPerSecond, energy, swa, ...rest } = JSON.parse(line) as EpochMetrics;
    return { ...rest, joules: null, ...(swa ? { swa: { ...swa, seconds: 0 } } : {}) };
  });
}

/** Names of the files of two outcomes that differ. */
export function differences(a: Record<string, string>, b: Record<string, string>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => a[name] !== b[name]);
}
