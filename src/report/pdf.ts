/**
 * Converts SVG to PDF for LaTeX, as vectors throughout. Letters are outlines, as resvg draws them in a PNG, so that no
 * journal can miss a font and no viewer can replace one. Only the cells of a matrix are pixels.
 */
import { once } from 'node:events';
import { outlined } from './render';

/** Factor from CSS pixels (96 an inch) to points (72 an inch). */
const POINTS = 0.75;

/** Renders a PDF. Throws ERR_FILE on a machine without fonts. */
export async function renderPdf(svg: string, title: string): Promise<Uint8Array> {
  const [{ default: PDFDocument }, { default: SVGtoPDF }, { text, width, height }] = await Promise.all([
    import('pdfkit'),
    import('svg-to-pdfkit'),
    outlined(svg),
  ]);
  const size: [number, number] = [width * POINTS, height * POINTS];
  // The date is constant, so that equal figures have equal files.
  const info = { Title: title, Creator: 'earlybird', CreationDate: new Date(0) };
  const document = new PDFDocument({ size, margin: 0, info });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  document.scale(POINTS);
  SVGtoPDF(document, text, 0, 0, { assumePt: true });
  document.end();
  await once(document, 'end');
  return Buffer.concat(chunks);
}
