import { controlDots, studyCurves } from '../../src/report/figures';
import type { DotPoint, StudyCurve } from '../../src/report/input';
import { NARROW } from '../../src/report/theme';
import { svgOf } from '../support/figures';

const DATA = { name: 'cifar10', synthetic: false };
const point = (epoch: number, draw: string, top1 = 70 + epoch) => ({
  epoch,
  draw,
  top1,
  low: top1 - 1,
  high: top1 + 2,
});
const curve = (ratio: number, more: Partial<StudyCurve> = {}): StudyCurve => ({
  ratio,
  points: [point(0, '0'), point(8, 'emergence'), point(17, 'best'), point(20, 'last')],
  dense: 91.5,
  ...more,
});

describe('accuracy against drawing epoch, with intervals', () => {
  test('has a band and a star for each ratio, and the dense accuracy once', async () => {
    const svg = await svgOf(studyCurves([curve(0.3), curve(0.5)], 'VGG-16', DATA));
    expect(svg).toContain('>VGG-16<');
    expect(svg).toContain('>CIFAR-10<');
    expect(svg.match(/dense 91.50 %/g)).toHaveLength(1);
    for (const label of ['p = 0.3', 'p = 0.5']) expect(svg.match(new RegExp(`>${label}<`, 'g'))).toHaveLength(1);
    // A star has ten corners; vega writes the path once for each star.
    expect(svg.match(/d="M0,-\d[^"]*(L[^"]*){9}Z"/g)).toHaveLength(2);
    expect(svg).not.toContain('NaN');
  });

  test('does without intervals and without a dense accuracy', async () => {
    const single = curve(0.5, {
      dense: null,
      points: [{ ...point(3, 'last'), low: null, high: null }],
    });
    const svg = await svgOf(studyCurves([single], 'VGG-16', DATA, NARROW));
    expect(svg).not.toContain('dense');
    expect(svg).not.toContain('NaN');
    expect(studyCurves([], 'VGG-16', DATA)).toBeNull();
  });
});

describe('controls as dots', () => {
  const dots = ['emergence', 'last'].flatMap((group) =>
    ['ticket', 'random', 'late'].flatMap((name, i) =>
      [0.3, 0.5].map((ratio): DotPoint => ({ ratio, group, name, value: 70 + i, low: 69 + i, high: 72 + i })),
    ),
  );

  test('have a panel for each draw and a row for each control', async () => {
    const svg = await svgOf(controlDots(dots, 'VGG-16', DATA));
    for (const group of ['emergence', 'last'])
      expect(svg.match(new RegExp(`tickets at ${group}<`, 'g'))).toHaveLength(1);
    for (const name of ['ticket', 'random', 'late']) expect(svg.match(new RegExp(`>${name}<`, 'g'))).toHaveLength(2);
    expect(svg).not.toContain('NaN');
  });

  test('stand below each other where there is little room, and need no interval', async () => {
    const svg = await svgOf(controlDots([{ ...dots[0]!, low: null, high: null }], 'VGG-16', DATA, NARROW));
    expect(svg).not.toContain('NaN');
    expect(controlDots([], 'VGG-16', DATA)).toBeNull();
  });
});
