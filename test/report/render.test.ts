import sharp from 'sharp';
import { matrices } from '../../src/report/figures';
import { colourBarPixels, epochGrid, matrixPixels, pngDataUri } from '../../src/report/matrix-image';
import { renderPdf } from '../../src/report/pdf';
import { hasFonts, renderPng, renderSvg } from '../../src/report/render';
import { maskMatrix, range } from '../support/report-sample';

const YELLOW = [0xfd, 0xe7, 0x25, 255];
const DARK = [0x44, 0x01, 0x54, 255];
const NOTHING = [0, 0, 0, 0];

describe('a matrix as pixels', () => {
  test('distance 0 is yellow, 1 is dark, and what is missing is transparent', async () => {
    const overlap = Float64Array.of(1, 0, Number.NaN, 1);
    const { width, height, rgba } = await matrixPixels(maskMatrix([0, 1], { overlap }));
    expect([width, height]).toEqual([2, 2]);
    expect([...rgba]).toEqual([...YELLOW, ...DARK, ...NOTHING, ...YELLOW]);
  });

  test('keeps the place of epochs that have no mask', async () => {
    const epochs = [10, 20, 40];
    expect(epochGrid(epochs)).toEqual({ step: 10, size: 4, from: 5, to: 45 });
    const { rgba } = await matrixPixels(maskMatrix(epochs, { overlap: new Float64Array(9).fill(1) }));
    const at = (row: number, column: number) => [...rgba.subarray(4 * (row * 4 + column), 4 * (row * 4 + column) + 4)];
    expect([at(0, 0), at(3, 1), at(2, 2)]).toEqual([YELLOW, YELLOW, NOTHING]);
  });

  test('one epoch is one cell', () => {
    expect(epochGrid([7])).toEqual({ step: 1, size: 1, from: 6.5, to: 7.5 });
  });

  test('the colour bar has 1 on top, dark as a distance and yellow as an overlap', async () => {
    const overlap = await colourBarPixels('mask overlap', 16);
    expect([...overlap.rgba.subarray(0, 4)]).toEqual(YELLOW);
    expect([...overlap.rgba.subarray(-4)]).toEqual(DARK);
    const { rgba } = await colourBarPixels('mask distance', 16);
    expect([...rgba.subarray(0, 4)]).toEqual(DARK);
    expect([...rgba.subarray(-4)]).toEqual(YELLOW);
  });

  test('survives the way into a PNG', async () => {
    const pixels = await matrixPixels(maskMatrix(range(12)));
    const uri = await pngDataUri(pixels);
    const png = Buffer.from(uri.replace('data:image/png;base64,', ''), 'base64');
    const { data, info } = await sharp(png).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([12, 12]);
    expect(data.equals(pixels.rgba)).toBe(true);
  });
});

describe('PNG', () => {
  test('shows cells crisp, with no colour between two neighbours', async () => {
    if (!(await hasFonts())) {
      console.log('skipped: this machine has no font');
      return;
    }
    const matrix = maskMatrix([0, 1], { overlap: Float64Array.of(1, 0, 0, 1), emergedAt: null });
    const svg = await renderSvg((await matrices([matrix], { name: 'x', synthetic: false }, { initial: true }))!);
    const { data, info } = await sharp(Buffer.from(await renderPng(svg, 1)))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const counts = new Map<string, number>();
    for (let i = 0; i < data.length; i += 3) {
      const colour = data.subarray(i, i + 3).toString('hex');
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    const quarter = 110 * 110;
    expect(counts.get('fde725')).toBeGreaterThan(1.9 * quarter);
    expect(counts.get('440154')).toBeGreaterThan(1.9 * quarter);
    expect(info.width).toBeGreaterThan(220);
  });
});

describe('PDF', () => {
  test('is one page of vectors without fonts, of the size of the figure, and the same when drawn again', async () => {
    if (!(await hasFonts())) {
      console.log('skipped: this machine has no font');
      return;
    }
    const svg = await renderSvg((await matrices([maskMatrix(range(12))], { name: 'x', synthetic: false }))!);
    const pdf = Buffer.from(await renderPdf(svg, 'figure')).toString('latin1');
    const width = Number(/<svg[^>]* width="([\d.]+)"/.exec(svg)![1]);
    expect(pdf.startsWith('%PDF-')).toBe(true);
    expect(pdf.match(/\/Type \/Page\n/g)).toHaveLength(1);
    expect(Number(/\/MediaBox \[0 0 ([\d.]+)/.exec(pdf)![1])).toBeCloseTo(0.75 * width, 0);
    expect(pdf).not.toContain('/FontFile');
    expect(pdf.match(/\/Subtype \/Image/g)!.length).toBeGreaterThanOrEqual(2);
    expect(Buffer.from(await renderPdf(svg, 'figure')).toString('latin1')).toBe(pdf);
  });
});
