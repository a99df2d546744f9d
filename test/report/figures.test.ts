import {
  accuracyAgainstCost,
  distances,
  drawingEpochs,
  FIGURES,
  keptChannels,
  learningCurves,
  matrices,
} from '../../src/report/figures';
import { layerName } from '../../src/report/figures/channels';
import { distancePanels } from '../../src/report/figures/distances';
import { learningRateSteps, outlyingPoints } from '../../src/report/figures/learning-curves';
import { panelSide, windowBox } from '../../src/report/figures/matrices';
import type { ReportInput } from '../../src/report/input';
import { epochTicks, FONT_SIZE, NARROW } from '../../src/report/theme';
import { svgOf } from '../support/figures';
import { epochMetrics, maskMatrix, range, SAMPLE } from '../support/report-sample';

const REAL = { name: 'CIFAR-100', synthetic: false };

describe.each(FIGURES)('$id', ({ spec }) => {
  test('compiles without a warning, draws no NaN, and says that the data is synthetic', async () => {
    const svg = await svgOf(spec(SAMPLE));
    expect(svg).toContain('Synthetic data (shapes-10), not real images');
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<script/);
  });

  test('has type of one size, on paper and on a phone', async () => {
    const svg = (await svgOf(spec(SAMPLE))) + (await svgOf(spec(SAMPLE, NARROW)));
    const sizes = [...svg.matchAll(/font-size="([\d.]+)px"/g)].map(([, size]) => Number(size));
    expect([...new Set(sizes)]).toEqual([FONT_SIZE]);
  });

  test('is no wider than the text of a paper, or than a phone', async () => {
    const widthOf = (svg: string) => Number(/<svg[^>]* width="([\d.]+)"/.exec(svg)![1]);
    expect(widthOf(await svgOf(spec(SAMPLE)))).toBeLessThan(720);
    expect(widthOf(await svgOf(spec(SAMPLE, NARROW)))).toBeLessThan(320);
  });

  test('is the same, byte for byte, when drawn again', async () => {
    expect(await svgOf(spec(SAMPLE))).toBe(await svgOf(spec(SAMPLE)));
  });

  test('is left out where there is no data', async () => {
    const empty: ReportInput = {
      ...SAMPLE,
      runs: [{ ...SAMPLE.runs[0]!, metrics: [] }],
      matrices: [],
      channels: [],
      drawing: [],
    };
    expect(await spec(empty)).toBeNull();
  });

  test('names a real dataset and nothing more', async () => {
    const svg = await svgOf(spec({ ...SAMPLE, dataset: { ...REAL, train: 50000, test: 10000 } }));
    expect(svg).toContain('>CIFAR-100<');
    expect(svg).not.toMatch(/synthetic/i);
  });
});

describe('learning curves', () => {
  test('mark each step of the learning rate once, however many runs share it', async () => {
    expect(learningRateSteps(SAMPLE.runs)).toEqual([{ completed: 8, label: 'lr 0.01' }]);
    const svg = await svgOf(learningCurves(SAMPLE.runs, REAL));
    expect(svg.match(/>lr 0.01</g)).toHaveLength(2); // one a panel
    for (const text of [
      'cross-entropy loss',
      'top-1 accuracy (%)',
      'search (dense)',
      'ticket &lt;script',
      'train',
      'test',
    ]) {
      expect(svg).toContain(text);
    }
  });

  test('mark a step that falls on the beginning of a ticket', () => {
    const lines = range(6).map((epoch) => epochMetrics(epoch, { lr: epoch < 4 ? 0.1 : 0.01 }));
    const runs = [
      { name: 'search', phase: 'search' as const, metrics: lines.slice(0, 4) },
      { name: 'ticket', phase: 'retrain' as const, metrics: lines.slice(4) },
    ];
    expect(learningRateSteps(runs)).toEqual([{ completed: 4, label: 'lr 0.01' }]);
  });

  test('have whole epochs on the axis, of short runs too', async () => {
    const runs = [{ name: 'short', phase: 'search' as const, metrics: range(2).map((epoch) => epochMetrics(epoch)) }];
    const svg = await svgOf(learningCurves(runs, REAL));
    expect(svg).toContain('>epoch<');
    expect(svg).not.toMatch(/>0\.5<\/text>.*>epoch</);
    for (const epoch of [0, 1, 2]) expect(svg.match(new RegExp(`>${epoch}</text>`, 'g'))!.length).toBeGreaterThan(1);
  });

  test('leave a loss out that would flatten all others, and say so', async () => {
    const huge = { loss: 283_000, lossBatchMean: 1, top1: 10, top1BatchMean: 10, top5: 50 };
    const metrics = range(6).map((epoch) => epochMetrics(epoch, epoch === 0 ? { test: huge } : {}));
    const svg = await svgOf(learningCurves([{ name: 'run', phase: 'search', metrics }], REAL));
    expect(svg).toContain('above the axis: 283,000 (test, epoch 1)');
    expect(svg).not.toContain('>250,000<');
    const point = (value: number) => ({ run: 'a', split: 'test' as const, completed: 1, value });
    expect(outlyingPoints([2.3, 1.5, 0.4, 0.01, 0.001].map(point))).toEqual([]);
  });

  test('show a single epoch as a point, and a value that is not a number as a gap', async () => {
    const missing = { loss: Number.NaN, lossBatchMean: Number.NaN, top1: Number.NaN, top1BatchMean: Number.NaN };
    const run = { name: 'one', phase: 'retrain' as const, metrics: [epochMetrics(0, { train: missing })] };
    const svg = await svgOf(learningCurves([run], REAL));
    expect(svg).toContain('mark-symbol role-mark');
    expect(svg).not.toContain('NaN');
  });
});

test('the weight average is drawn where there is one', async () => {
  const swa = { n: 1, loss: 1, top1: 50, top1BatchMean: 50, top5: 90, seconds: 1 };
  const plain = learningCurves(SAMPLE.runs, REAL);
  const [first, ...others] = SAMPLE.runs;
  const averaged = { ...first!, metrics: first!.metrics.map((line) => ({ ...line, swa })) };
  expect(await svgOf(plain)).not.toContain('>swa<');
  expect(await svgOf(learningCurves([averaged, ...others], REAL))).toContain('>swa<');
});

describe('distances', () => {
  test('give the range over the window and the epochs a ticket took, for runs that drew masks', () => {
    const [panel, ...rest] = distancePanels([maskMatrix(range(12)), maskMatrix(range(4))]);
    expect(rest).toEqual([]); // four masks fill no window
    expect(panel).toMatchObject({ title: 'p = 0.3', emergedAt: 7 });
    expect(panel!.points.map(({ epoch }) => epoch)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    // The sample's masks after a and b epochs are |1/(a+1) - 1/(b+1)| apart.
    expect(panel!.points[0]!.low).toBeCloseTo(1 / 4 - 1 / 5);
    expect(panel!.points[0]!.high).toBeCloseTo(1 - 1 / 5);
  });

  test('of adjacent masks where the detector compares those', () => {
    const [panel] = distancePanels([maskMatrix(range(12), { compared: 'adjacent' })]);
    expect(panel!.points[0]!.low).toBeCloseTo(1 / 4 - 1 / 5);
    expect(panel!.points[0]!.high).toBeCloseTo(1 - 1 / 2);
  });

  test('never end above 1, which no distance exceeds', async () => {
    const svg = await svgOf(distances(SAMPLE.matrices, REAL, 1));
    expect(svg).toContain('>1.0</text>');
    expect(svg).not.toMatch(/>([2-4](\.0)?|1\.5)<\/text><text[^>]*>[2-4]/);
    expect(svg).not.toContain('>4.0</text>');
  });

  test('draw the threshold that was used and the ticket', async () => {
    const svg = await svgOf(distances(SAMPLE.matrices, REAL, 0.05));
    expect(svg).toContain('threshold 0.05');
    expect(svg).toContain('ticket after 7 epochs');
  });
});

describe('distance matrices', () => {
  test('stand on one sheet: a row a network, a panel a ratio, one colour bar', async () => {
    const svg = await svgOf(matrices(SAMPLE.matrices, REAL));
    for (const text of [
      'VGG-16',
      'PreResNet-101',
      'p = 0.3',
      'p = 0.5',
      'ticket after 7 epochs',
      'no ticket yet',
      'epoch',
    ]) {
      expect(svg).toContain(`>${text}<`);
    }
    expect(svg.match(/<image /g)).toHaveLength(4);
    expect(svg.match(/>mask distance</g)).toHaveLength(1);
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
  });

  test('begin after the first epoch unless the mask from before training is asked for', async () => {
    const cells = (svg: string) => [...svg.matchAll(/<image [^>]*height="(\d+)"/g)].map(([, side]) => Number(side));
    const [trained] = cells(await svgOf(matrices([maskMatrix(range(12))], REAL)));
    expect(trained! % 11).toBe(0);
    const [all] = cells(await svgOf(matrices([maskMatrix(range(12))], REAL, { initial: true })));
    expect(all! % 12).toBe(0);
    expect(await matrices([maskMatrix([0])], REAL)).toBeNull();
  });

  test('stay small at 160 epochs', async () => {
    const svg = await svgOf(matrices([maskMatrix(range(160))], REAL));
    expect(svg.length).toBeLessThan(100_000);
    expect(svg).toContain('image-rendering: pixelated');
  });

  test('box exactly the masks that were compared', () => {
    const box = (matrix = maskMatrix(range(12))) => (windowBox(matrix)[0]!.data as { values: unknown[] }).values[0];
    expect(box()).toEqual({ from: 2.5, to: 7.5 });
    expect(box(maskMatrix(range(12), { emergedAt: 2 }))).toEqual({ from: -0.5, to: 2.5 });
    expect(box(maskMatrix([0, 2, 4, 6, 8, 10], { emergedAt: 8, window: 3 }))).toEqual({ from: 3, to: 9 });
    expect(windowBox(maskMatrix(range(3), { emergedAt: null }))).toEqual([]);
  });

  test('give every cell a whole number of pixels where they can', () => {
    expect(panelSide(160, 170)).toBe(160);
    expect(panelSide(90, 200)).toBe(180);
    expect(panelSide(1000, 140)).toBe(140);
  });

  test('have round ticks', () => {
    expect(epochTicks(0, 159)).toEqual([0, 50, 100, 150]);
    expect(epochTicks(7, 7)).toEqual([7]);
    expect(epochTicks(0, 5)).toEqual([0, 2, 4]);
    expect(epochTicks(3, 22)).toEqual([5, 10, 15, 20]);
  });
});

describe('kept channels', () => {
  test('name the layers, count the channels and mark the clamped ones', async () => {
    const svg = await svgOf(keptChannels(SAMPLE.channels, REAL));
    for (const text of ['conv1', 'conv2', '41 of 128 channels kept (32.0 %)', 'layer stays'])
      expect(svg).toContain(text);
    const unclamped = { ...SAMPLE.channels[0]!, layers: SAMPLE.channels[0]!.layers.slice(0, 1) };
    expect(await svgOf(keptChannels([unclamped], REAL))).not.toContain('layer stays');
  });

  test('VGG has convolutions by number, other networks their own names', () => {
    expect(layerName('feature.1.weight', 0)).toBe('conv1');
    expect(layerName('feature.4.0.weight', 1)).toBe('conv2');
    expect(layerName('layer1.0.bn2.weight', 2)).toBe('layer1.0.bn2');
  });

  test('number the layers of a deep network', async () => {
    const layers = range(163).map((i) => ({ key: `bn${i}.weight`, total: 64, kept: 32, clamped: 0 }));
    const svg = await svgOf(keptChannels([{ name: 'PreResNet-164', ratio: 0.5, layers }], REAL));
    expect(svg).toContain('>160<');
    expect(svg).not.toContain('bn12');
  });
});

describe('accuracy against drawing epoch', () => {
  test('compares with the dense network, once', async () => {
    const svg = await svgOf(drawingEpochs(SAMPLE.drawing, REAL));
    expect(svg.match(/dense 72.40 %/g)).toHaveLength(1);
    expect(svg.match(/>p = 0.3</g)).toHaveLength(1);
  });

  test('does without it', async () => {
    const curve = { name: 'x', ratio: 0.3, dense: null, points: [{ epoch: 3, top1: 50 }] };
    expect(await svgOf(drawingEpochs([curve], REAL))).not.toContain('dense');
  });
});

describe('accuracy against cost', () => {
  const point = { method: 'LL', ratio: 0.3, top1: 60, top1Sd: 1, cost: 1, costSd: 3 };

  test('names the network, draws no cost below 0, and a legend as opaque as its points', async () => {
    const axes = { network: 'VGG-16', quantity: 'energy of training (kJ)' };
    const spec = accuracyAgainstCost([point], axes, REAL)!;
    const svg = await svgOf(spec);
    expect(svg).toContain('>VGG-16<');
    expect(JSON.stringify(spec)).toContain('"costLow":0,"costHigh":4');
    const legend = svg.slice(svg.indexOf('role-legend'));
    expect(legend).not.toContain('opacity="0.6"');
  });
});
