/**
 * Renders specifications to SVG and PNG without a browser. The libraries load at the first figure, as they take a tenth
 * of a second.
 */
import { EarlybirdError } from '../errors';
import { FONT, type Spec } from './theme';

export async function renderSvg(spec: Spec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  (vega as unknown as { textMetrics: { width: typeof textWidth } }).textMetrics.width = textWidth;
  const { spec: compiled } = vegaLite.compile(spec as never, { logger: vega.logger(vega.Error) as never });
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
  try {
    return renumberClips(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/**
 * Estimates the width of text. Vega measures with node-canvas where it is installed, and otherwise assumes 0.8 em a
 * letter, which leaves gaps in legends. This estimate gives the same figure everywhere; letters of sans-serif fonts
 * average less than 0.61 em.
 */
function textWidth(item: { fontSize?: number; limit?: number }, text: unknown): number {
  const width = 0.61 * (item.fontSize ?? 11) * String(text ?? '').length;
  return item.limit ? Math.min(item.limit, width) : width;
}

/**
 * Renumbers clip paths within the figure, so that equal figures have equal bytes; Vega numbers them through the life of
 * the process.
 */
function renumberClips(svg: string): string {
  const ids = [...svg.matchAll(/ id="(clip\d+)"/g)].map(([, id]) => id);
  return svg.replace(/( id="|url\(#)(clip\d+)/g, (_, before, id) => `${before}clip${ids.indexOf(id)}`);
}

export const NO_FONTS =
  'PNG and PDF figures need a font and this machine has none: install one (for example fonts-dejavu-core) or name a folder of .ttf files in EARLYBIRD_FONTS.';

/** False without fonts, as labels would then silently vanish from a PNG. */
export async function hasFonts(): Promise<boolean> {
  const { Resvg } = await import('@resvg/resvg-js');
  const probe = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9" font-family="${FONT}">e</text></svg>`;
  return new Resvg(probe, { font: fonts() }).getBBox() !== undefined;
}

/** Converts letters of a picture to outlines, which need no fonts. Throws ERR_FILE on a machine without fonts. */
export async function outlined(svg: string): Promise<{ text: string; width: number; height: number }> {
  const { Resvg } = await resvgWithFonts();
  const picture = new Resvg(svg, { font: fonts() });
  return { text: picture.toString(), width: picture.width, height: picture.height };
}

/** Renders a PNG; `scale` 3 means 288 dots an inch. Throws ERR_FILE on a machine without fonts. */
export async function renderPng(svg: string, scale = 3): Promise<Uint8Array> {
  const { Resvg } = await resvgWithFonts();
  // imageRendering 1 keeps the cells of a matrix crisp, as resvg ignores the "pixelated" of browsers.
  return new Resvg(svg, { font: fonts(), imageRendering: 1, fitTo: { mode: 'zoom', value: scale } }).render().asPng();
}

async function resvgWithFonts() {
  if (!(await hasFonts())) throw new EarlybirdError('ERR_FILE', NO_FONTS);
  return import('@resvg/resvg-js');
}

/** The system's fonts, and those of EARLYBIRD_FONTS. */
function fonts() {
  const directory = process.env.EARLYBIRD_FONTS;
  return { loadSystemFonts: true, fontDirs: directory ? [directory] : [] };
}
