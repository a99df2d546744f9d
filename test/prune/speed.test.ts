import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { speedOfRun, speedOfTicket, speedText } from '../../src/prune/speed';
import type { EpochMetrics } from '../../src/run/metrics';

const epochs = (...rates: number[]) => rates.map((imagesPerSecond) => ({ imagesPerSecond }) as EpochMetrics);

test('seconds beside FLOPs, and a sentence where the ticket is not faster', () => {
  expect(speedText({ step: 0.62, flops: 0.32 })).toBe(
    "A training step of the ticket takes 0.62x the seconds of the dense network's, at 0.32x the FLOPs.",
  );
  expect(speedText({ step: 1.0, flops: 0.32 })).toMatch(/0\.32x the FLOPs\. The ticket is not faster than the dense/);
  expect(speedText({ step: null, flops: 0.32 })).toBe(
    'The ticket has 0.32x the FLOPs of the dense network; the seconds of their steps were not measured.',
  );
});

test('of a run: medians of the epochs, so that one slow epoch says nothing', () => {
  const dense = { flops: 100, metrics: epochs(50, 50, 5) };
  const ticket = { flops: 40, metrics: epochs(10, 100, 100) };
  expect(speedOfRun(dense, ticket)).toEqual({ step: 0.5, flops: 0.4 });
  expect(speedOfRun(dense, { flops: 40, metrics: [] })).toEqual({ step: null, flops: 0.4 });
});

test('of a ticket: what prune measured, if its report is beside the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eb-speed-'));
  const write = (value: unknown) => writeFileSync(join(folder, 'prune.json'), JSON.stringify(value));
  const file = join(folder, 'pruned.pth.tar');
  const report = {
    ticket: 'elsewhere/pruned.pth.tar',
    before: { flops: 10 },
    after: { flops: 4 },
    time: { ratio: 0.6 },
  };
  try {
    expect(await speedOfTicket(file)).toBeNull();
    write(report);
    expect(await speedOfTicket(file)).toEqual({ step: 0.6, flops: 0.4 });
    expect(await speedOfTicket(join(folder, 'other.pth.tar'))).toBeNull();
    write({ ...report, time: null });
    expect(await speedOfTicket(file)).toEqual({ step: null, flops: 0.4 });
    for (const foreign of [{}, [], 'text', null, { ...report, before: 1 }, { ...report, ticket: 7 }]) {
      write(foreign);
      expect(await speedOfTicket(file)).toBeNull();
    }
    writeFileSync(join(folder, 'prune.json'), 'not JSON');
    expect(await speedOfTicket(file)).toBeNull();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
