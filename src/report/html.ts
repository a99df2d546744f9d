/** Renders the report as one page without scripts or requests, for screens and paper, light and dark. */
import { speedText } from '../prune/speed';
import { epochsHtml } from './epochs';
import { escapeHtml, formatJoules, formatSeconds, formatWatts } from './format';
import type { ReportInput } from './input';
import { STYLE } from './style';
import { htmlTable, trainingHeadline } from './table';
import { datasetLabel } from './theme';

/** A link below a figure to one of its files. */
export interface SaveLink {
  /** Name of the format, such as "SVG". */
  format: string;
  href: string;
}

export interface HtmlFigure {
  id: string;
  title: string;
  caption: string;
  saves: SaveLink[];
  /** SVG for wide screens and paper. */
  wide: string;
  /** SVG for phones, with the panels below each other. */
  narrow: string;
}

/**
 * Content policy. The page is opened from folders of others, and by servers that know nothing of it, so it runs nothing
 * and requests nothing.
 */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** The beginning of a page of this program, up to its body. `more`: further contents of its head. */
export function htmlHead(title: string, more: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
${more}
</head>
`;
}

const HEAD = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<style>${STYLE}</style>`;

export function renderHtml(input: ReportInput, figures: HtmlFigure[]): string {
  const { synthetic } = input.dataset;
  return `${htmlHead(input.title, HEAD)}<body>
<main>
<header>
<h1>${escapeHtml(input.title)}</h1>
<p${synthetic ? ' class="synthetic"' : ''}>${escapeHtml(datasetLabel(input.dataset))}: ${count(input.dataset.train)} training and ${count(input.dataset.test)} test images</p>
</header>
<section>
<h2>Summary</h2>
${input.trainingFlops ? `<p><strong>${escapeHtml(trainingHeadline(input.trainingFlops))}</strong></p>\n` : ''}${input.speed ? `<p>${escapeHtml(speedText(input.speed))}</p>\n` : ''}${htmlTable(input.summary, { synthetic })}
</section>
${energyHtml(input.energy)}<section>
<h2>Figures</h2>
${figures.length === 0 ? '<p>There is nothing to draw yet.</p>' : figures.map((figure, i) => figureHtml(figure, i + 1)).join('\n')}
</section>
${epochsHtml(input.runs)}${filesHtml(input.files)}<section>
<h2>How it was made</h2>
${provenanceHtml(input.provenance)}
<details>
<summary>Recipe</summary>
<pre>${escapeHtml(JSON.stringify(input.recipe ?? null, null, 2))}</pre>
</details>
</section>
</main>
</body>
</html>
`;
}

function figureHtml({ wide, narrow, ...figure }: HtmlFigure, number: number): string {
  const { id } = figure;
  const [onWide, onNarrow] = [inlineSvg(wide, id), inlineSvg(narrow, `${id}-narrow`)];
  return framedFigure(
    { ...figure, title: `Figure ${number}. ${figure.title}` },
    `<div class="on-wide">${onWide}</div><div class="on-narrow">${onNarrow}</div>`,
  );
}

/** A picture on white paper with its caption, and links to its files. */
export function framedFigure(
  { id, title, caption, saves }: Omit<HtmlFigure, 'wide' | 'narrow'>,
  picture: string,
): string {
  const name = escapeHtml(id);
  const links = saves.map(({ format, href }) => {
    const label = `Save ${title} as ${format}`;
    return `<a href="${escapeHtml(href)}" download aria-label="${escapeHtml(label)}">${escapeHtml(format)}</a>`;
  });
  const save = links.length > 0 ? `\n<p class="save">Save: ${links.join(' ')}</p>` : '';
  return `<figure id="${name}" aria-labelledby="${name}-caption">
<div class="paper">${picture}</div>
<figcaption id="${name}-caption"><strong>${escapeHtml(title)}.</strong> ${escapeHtml(caption)}</figcaption>${save}
</figure>`;
}

/** Factor by which all figures are enlarged, so that their type has one size. */
const ENLARGED = 1.2;

/**
 * The SVG of a figure for use inside the page: without namespaces, and with names of clip paths that no other figure
 * has.
 */
function inlineSvg(svg: string, id: string): string {
  const prefix = id.replace(/[^\w-]/g, '_');
  return svg
    .replace(/^<\?xml[^>]*>\s*/, '')
    .replace(/<svg[^>]*>/, (tag) =>
      tag
        .replace(/ xmlns(:\w+)?="[^"]*"/g, '')
        .replace(/ (width|height)="([\d.]+)"/g, (_, side, value) => ` ${side}="${Math.round(ENLARGED * value)}"`)
        .replace('<svg', '<svg role="img"'),
    )
    .replace(/ id="([^"]+)"/g, ` id="${prefix}-$1"`)
    .replace(/url\(#([^)]+)\)/g, `url(#${prefix}-$1)`);
}

/** The energy of a run as HTML; empty where it was not metered. */
function energyHtml(energy: ReportInput['energy']): string {
  if (!energy) return '';
  const phases = Object.entries(energy.phases);
  const rows = phases.map(([path, { seconds, joules, reason }]) => {
    const watts = joules === null || seconds === 0 ? null : joules / seconds;
    const cells = [formatSeconds(seconds), formatJoules(joules), formatWatts(watts)];
    const data = cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('');
    return `<tr><th scope="row">${escapeHtml(path)}</th>${data}<td>${escapeHtml(reason ?? '')}</td></tr>`;
  });
  const table = phases.some(([, { joules, reason }]) => joules !== null || reason)
    ? `<div class="wide"><table class="summary">
<thead><tr>${['phase', 'time', 'energy', 'mean power', ''].map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
<p class="note">A phase holds those under its name.</p>
`
    : '';
  const notes = energy.sources.map((text) => `<p class="note">${escapeHtml(text)}.</p>`);
  return `<section>
<h2>Energy</h2>
${table}${notes.join('\n')}
</section>
`;
}

/** Links to the run's files, from report/. */
function filesHtml(files: ReportInput['files'] = []): string {
  if (files.length === 0) return '';
  const links = files.map((file) => {
    const href = `../${file.split('/').map(encodeURIComponent).join('/')}`;
    return `<li><a href="${escapeHtml(href)}">${escapeHtml(file)}</a></li>`;
  });
  return `<section>
<h2>Files</h2>
<ul class="files">
${links.join('\n')}
</ul>
</section>
`;
}

function provenanceHtml(provenance: Record<string, string>): string {
  const rows = Object.entries(provenance).map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return rows.length === 0
    ? ''
    : `<div class="wide"><table class="provenance"><tbody>\n${rows.join('\n')}\n</tbody></table></div>`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
