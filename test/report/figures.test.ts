import { compile } from 'vega-lite';
import { distances, drawingEpochs, FIGURES, keptChannels, learningCurves, matrices } from '../../src/report/figures';
import { distancePanels } from '../../src/report/figures/distances';
import { learningRateSteps } from '../../src/report/figures/learning-curves';
import { epochTicks, panelSide, windowBox } from '../../src/report/figures/matrices';
import type { ReportInput } from '../../src/report/input';
import { renderSvg } from '../../src/report/render';
import type { Spec } from '../../src/report/theme';
import { epochMetrics, maskMatrix, range, SAMPLE } from '../support/report-sample';

const REAL = { name: 'CIFAR-100', synthetic: false };

/** Compiles with every warning of vega-lite's an error: a warning means that the figure is not what its specification says. */
function compileStrictly(spec: Spec): void {
  const fail = (...args: unknown[]): never => {
    throw new Error(args.join(' '));
  };
  const logger = { level: () => logger, error: fail, warn: fail, info: () => logger, debug: () => logger };
  compile(spec as never, { logger: logger as never });
}

async function svgOf(spec: Spec | null | Promise<Spec | null>): Promise<string> {
  const drawn = await spec;
  expect(drawn).not.toBeNull();
  compileStrictly(drawn!);
  return renderSvg(drawn!);
}

describe.each(FIGURES)('$id', ({ spec }) => {
  test('compiles without a warning, draws no NaN, and says that the data is synthetic', async () => {
    const svg = await svgOf(spec(SAMPLE));
    expect(svg).toContain('Synthetic data (shapes-10), not real images');
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<script/);
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
      'epochs',
    ]) {
      expect(svg).toContain(`>${text}<`);
    }
    expect(svg.match(/<image /g)).toHaveLength(4);
    expect(svg.match(/>mask distance</g)).toHaveLength(1);
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
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
    expect(panelSide(160, 4)).toBe(160);
    expect(panelSide(90, 4) % 90).toBe(0);
    expect(panelSide(1000, 4)).toBe(140);
  });

  test('have round ticks', () => {
    expect(epochTicks(range(160))).toEqual([0, 50, 100, 150]);
    expect(epochTicks([7])).toEqual([7]);
    expect(epochTicks(range(6))).toEqual([0, 2, 4]);
    expect(epochTicks(range(20).map((i) => i + 3))).toEqual([5, 10, 15, 20]);
  });
});

describe('kept channels', () => {
  test('name the layers, count the channels and mark the clamped ones', async () => {
    const svg = await svgOf(keptChannels(SAMPLE.channels, REAL));
    for (const text of ['feature.1', 'feature.4', '41 of 128 channels kept (32.0 %)', 'clamped'])
      expect(svg).toContain(text);
    const unclamped = { ...SAMPLE.channels[0]!, layers: SAMPLE.channels[0]!.layers.slice(0, 1) };
    expect(await svgOf(keptChannels([unclamped], REAL))).not.toContain('clamped');
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
