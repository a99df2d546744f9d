import { effectLines, pruneLog } from '../../src/cli/print/prune';
import type { PrunedLayer } from '../../src/native/types/model';
import { type PruneReport, pruneNotes, sharesOf } from '../../src/prune/report';
import { batchFor, isNoisy } from '../../src/prune/step-time';

const layer = (part: Partial<PrunedLayer>): PrunedLayer => ({
  key: 'bn',
  total: 10,
  kept: 5,
  clamped: 0,
  width: 5,
  removed: false,
  ...part,
});
const costs = (parameters: number, flops: number) => ({ parameters, parametersWithIndexes: parameters + 7, flops });

const report: PruneReport = {
  ticket: 'folder/pruned.pth.tar',
  ratio: 0.5,
  surgery: 'reference',
  roundTo: 1,
  protective: false,
  effective: { channels: 0.25, parameters: 0.4, flops: 0.5 },
  threshold: 0.1,
  channels: 20,
  kept: 9,
  layers: [layer({}), layer({ kept: 5, clamped: 1, width: 10 })],
  maskMemoryKB: 1,
  maskFlops: 2e6,
  cfg: [5, 'M', 10],
  before: costs(100, 1000),
  after: costs(60, 500),
  time: {
    batchSize: 32,
    imageSize: 32,
    dense: 20,
    ticket: 15,
    ratio: 0.75,
    ranges: { dense: { low: 19, high: 21 }, ticket: { low: 14.5, high: 16 } },
    noisy: false,
  },
  timeMissing: null,
  unrounded: null,
  completed: 3,
  drawn: 3,
};

test('shares count what is no longer computed', () => {
  // The second layer is masked but whole, as in a residual stream; the third is gone.
  const layers = [layer({}), layer({ width: 10 }), layer({ kept: 0, width: 0, removed: true })];
  const shares = sharesOf(layers, costs(200, 1000), costs(50, 400));
  expect(shares).toEqual({ channels: 0.5, parameters: 0.75, flops: 0.6 });
});

test('the log has the lines of the reference, and what the ticket saves', () => {
  expect(pruneLog(report).split('\n')).toEqual([
    'original model param: 107',
    'original model flops: 1000',
    'layer index: 1 \t total channel: 10 \t remaining channel: 5',
    'layer index: 2 \t total channel: 10 \t remaining channel: 4',
    'Memory Request: 1.00KB',
    'Flops for pruning: 2.00M',
    "cfg: [5, 'M', 10]",
    'new model param: 67',
    'new model flops: 500',
    'pruned: 25.00% of channels, 40.00% of parameters, 50.00% of forward FLOPs (reference surgery)',
    'training step, 32 images of 32 px, median and range of 5: dense 20.0 ms (19.0 to 21.0), ticket 15.0 ms (14.5 to 16.0): 0.75x at 0.50x the FLOPs',
    expect.stringMatching(/^warning: 50% were asked for: masked channels stay/),
    'saved folder/pruned.pth.tar',
  ]);
});

test('the share of step time is shown where it was measured', () => {
  const [line] = effectLines({ ...report, effective: { ...report.effective, time: 0.25 } });
  expect(line).toBe(
    'pruned: 25.00% of channels, 40.00% of parameters, 50.00% of forward FLOPs, 25.00% of step time (reference surgery)',
  );
});

test('only a share of channels is compared with --percent by its channels', () => {
  const warned = (part: Partial<PruneReport>) =>
    effectLines({ ...report, ...part }).filter((line) => /^warning/.test(line));
  expect(warned({ budget: 'flops' })).toEqual([]);
  expect(warned({ criterion: 'l1', effective: { ...report.effective, channels: 0.8 } })).toEqual([
    expect.stringContaining('many scores equal'),
  ]);
});

test('a share of channels that is far from --percent is said, whichever way', () => {
  const warned = (channels: number) =>
    effectLines({ ...report, effective: { ...report.effective, channels } }).filter((line) => /warning/.test(line));
  expect(warned(0.45)).toEqual([]);
  expect(warned(0.8)).toEqual([expect.stringContaining('equal the threshold')]);
  expect(warned(0.3)).toEqual([expect.stringContaining('--round-to')]);
});

test('rounded tickets are shown with and without; their layers say what is kept', () => {
  const rounded: PruneReport = { ...report, roundTo: 8, unrounded: { ...costs(55, 450), step: 16 } };
  expect(pruneLog(rounded)).toContain('layer index: 2 \t total channel: 10 \t remaining channel: 5');
  expect(effectLines(rounded).slice(-2)).toEqual([
    'multiples of 8: parameters 60, forward FLOPs 500, training step 15.0 ms',
    'without rounding: parameters 55, forward FLOPs 450, training step 16.0 ms',
  ]);
});

test('steps that differ much are shown with their range, and their ratio is flagged', () => {
  const ranges = { dense: { low: 15, high: 40 }, ticket: { low: 14.5, high: 16 } };
  const [, line] = effectLines({ ...report, time: { ...report.time!, ranges, noisy: true } });
  expect(line).toContain(
    'dense 20.0 ms (15.0 to 40.0), ticket 15.0 ms (14.5 to 16.0): 0.75x at 0.50x the FLOPs; too noisy',
  );
  expect([14, 20, 24.1].map((high) => isNoisy({ median: 14, low: 14, high }))).toEqual([false, false, true]);
});

test('a ticket that is not faster is said to be so, unless the steps are too noisy', () => {
  const said = (time: object) =>
    effectLines({ ...report, time: { ...report.time!, ...time } }).filter((line) => /not faster/.test(line));
  expect(said({ ratio: 1.03, ticket: 20.6 })).toEqual([
    'the ticket is not faster than the dense network on this machine',
  ]);
  expect([said({}), said({ ratio: 1.03, noisy: true })]).toEqual([[], []]);
});

test('what was not measured says why', () => {
  const lines = effectLines({
    ...report,
    roundTo: 8,
    time: null,
    timeMissing: 'not measured (--no-measure)',
    unrounded: { ...costs(55, 450), step: null },
  });
  expect(lines[1]).toBe('training step: not measured (--no-measure), at 0.50x the FLOPs');
  expect(lines.slice(-2).every((line) => line.endsWith('training step -'))).toBe(true);
});

const asked = { cutsLiveChannels: false, surgery: 'reference' as const, rewound: false, layers: [layer({})] };

test.each([
  [{}, []],
  [{ cutsLiveChannels: true }, [expect.stringContaining('--surgery exact is')]],
  [{ cutsLiveChannels: true, rewound: true }, []],
  [{ surgery: 'exact' as const }, []],
  [{ layers: [layer({ clamped: 1 })] }, ['warning: bn would have lost every channel; 1 kept (largest |gamma|)']],
  [
    { layers: [layer({ clamped: 1 })], surgery: 'exact' as const },
    ['warning: bn would have lost every channel; 1 kept (what reads it starts at zero)'],
  ],
  [{ layers: [layer({ removed: true })] }, ['warning: bn lost every channel and is removed']],
  [{ budget: 5 }, []],
  [
    { criterion: 'l2' as const, layers: [layer({ clamped: 1 })] },
    ['warning: bn would have lost every channel; 1 kept (largest score)'],
  ],
  [{ budget: 4 }, ['warning: the mask keeps 4 channels, but rounded widths need 5: a smaller --round-to fits it']],
])('notes for %j', (part, notes) => {
  expect(pruneNotes({ ...asked, ...part })).toEqual(notes);
});

test('large images are timed in small batches', () => {
  expect([32, 64, 224].map(batchFor)).toEqual([32, 32, 4]);
});
