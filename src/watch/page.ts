/** Renders the page as HTML, with every text from a folder escaped. */
import { escapeHtml } from '../report/format';
import { framedFigure, htmlHead } from '../report/html';
import { htmlTable } from '../report/table';
import { datasetLabel } from '../report/theme';
import type { SummaryRow } from '../run/result';
import { type Drawings, SAVED_AS } from './drawings';
import { type Facts, factsOf } from './facts';
import type { RunView } from './read';

/** A run, or all of them together, as a section of the page. */
export interface Section {
  /** Id in the page and in addresses: "0", "1", ..., "all". */
  id: string;
  head: string;
  facts: string;
  figures: string;
}

/** Id of the section that shows all runs in one figure. */
export const TOGETHER = 'all';

/** Addresses of the files that the page needs, and of its events. */
export const STYLE_PATH = '/style.css';
export const SCRIPT_PATH = '/script.js';
export const EVENTS_PATH = '/events';

/** The whole page. `hidden`: number of runs that were found and have no section. */
export function renderPage(
  sections: readonly Section[],
  { isSeveral: several, hidden }: { isSeveral: boolean; hidden: number },
): string {
  const files = `<link rel="icon" href="data:,">
<link rel="stylesheet" href="${STYLE_PATH}">
<script src="${SCRIPT_PATH}" defer></script>`;
  return `${htmlHead('earlybird watch', files)}<body>
<main${several ? ' class="several"' : ''}>
<p id="connection" role="status" hidden></p>
<noscript><p class="note">Without JavaScript the page stands still: load it again to see how the runs go on.</p></noscript>
${hidden > 0 ? `${hiddenHtml(sections, hidden)}\n` : ''}${several ? `${contents(sections)}\n` : ''}<div class="runs">
${sections.map((section) => sectionHtml(section, !several || section.id === TOGETHER)).join('\n')}
</div>
</main>
</body>
</html>
`;
}

const hiddenHtml = (sections: readonly Section[], hidden: number) => {
  const shown = sections.filter(({ id }) => id !== TOGETHER).length;
  return `<p class="note">${shown} runs are shown, ${hidden} more ${hidden === 1 ? 'is' : 'are'} not: start earlybird watch with folders that hold fewer runs.</p>`;
};

const contents = (sections: readonly Section[]) =>
  `<nav aria-label="Runs"><ul>${sections
    .map(({ id, head }) => `<li><a href="#run-${id}">${/<h1[^>]*>(.*?)<\/h1>/.exec(head)?.[1] ?? id}</a></li>`)
    .join('')}</ul></nav>`;

/** HTML of a section. Where figures show all runs together, the sections of single runs are folded. */
function sectionHtml({ id, head, facts, figures }: Section, open: boolean): string {
  return `<section class="run" id="run-${id}" aria-labelledby="run-${id}-name">
<div id="run-${id}-head">${head}</div>
<div id="run-${id}-facts">${facts}</div>
<details${open ? ' open' : ''}><summary>Figures</summary>
<div id="run-${id}-figures">${figures}</div>
</details>
</section>`;
}

/** The section of a run. */
export function sectionOf(id: string, run: RunView, drawings: Drawings, revision: number): Section {
  const { input } = run;
  const { train, test } = input.dataset;
  const images = `${train.toLocaleString('en-US')} training and ${test.toLocaleString('en-US')} test images`;
  const what = run.command
    ? `<p${input.dataset.synthetic ? ' class="synthetic"' : ''}>${escapeHtml(`${run.command}: ${input.title}, ${datasetLabel(input.dataset)}, ${images}`)}</p>`
    : '';
  const report = run.hasReport ? `<p><a href="${filesPath(id)}report/index.html">Report</a></p>` : '';
  return {
    id,
    head: `<h1 id="run-${id}-name">${escapeHtml(run.name)}</h1>
<p class="state ${run.state}"><span role="status">${STATES[run.state]}</span></p>
${what}${report}`,
    facts: factsHtml(run),
    figures: figuresHtml(id, drawings, revision),
  };
}

/** The section in which the figures show all runs together. */
export function togetherOf(names: readonly string[], drawings: Drawings, revision: number): Section {
  const id = TOGETHER;
  return {
    id,
    head: `<h1 id="run-${id}-name">Side by side</h1>`,
    facts: `<p>${escapeHtml(names.join(', '))}</p>`,
    figures: figuresHtml(id, drawings, revision),
  };
}

const filesPath = (id: string) => `/runs/${id}/files/`;

const STATES: Record<RunView['state'], string> = {
  waiting: 'no run here yet',
  training: 'training',
  stopped: 'stopped; the same command goes on',
  finished: 'finished',
  unreadable: 'cannot be read',
};

function factsHtml(run: RunView): string {
  const facts = factsOf(run);
  const problem = run.problem === undefined ? '' : `<p class="synthetic">${escapeHtml(run.problem)}</p>`;
  const summary = run.state === 'finished' ? summaryHtml(run.input.summary) : '';
  return `${problem}${progressHtml(facts)}${valuesHtml(facts)}${detectionHtml(facts)}${summary}`;
}

const summaryHtml = (rows: SummaryRow[]) => (rows.length > 0 ? htmlTable(rows, {}) : '');

function progressHtml({ progress }: Facts): string {
  return progress
    .map(({ name, done, text }) => {
      const label = escapeHtml(`${name}: ${text}`);
      return `<p class="progress"><span>${label}</span><progress max="1" value="${done.toFixed(4)}" aria-label="${label}"></progress></p>\n`;
    })
    .join('');
}

function valuesHtml({ values }: Facts): string {
  const cells = values.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return cells.length === 0 ? '' : `<dl class="values">${cells.join('')}</dl>\n`;
}

function detectionHtml({ detector, detections }: Facts): string {
  if (detections.length === 0) return '';
  const rows = detections.map(
    ({ ratio, signal, threshold, state, emerged }) =>
      `<tr${emerged ? ' class="emerged"' : ''}><th scope="row">${escapeHtml(ratio)}</th>${[signal, threshold, state]
        .map((text) => `<td>${escapeHtml(text)}</td>`)
        .join('')}</tr>`,
  );
  const head = ['p', detector === 'hamming' ? 'mask distance' : 'signal', 'threshold', 'ticket'];
  return `<div class="wide"><table class="detector"><caption>Detector ${escapeHtml(detector)}</caption>
<thead><tr>${head.map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>\n`;
}

function figuresHtml(id: string, drawings: Drawings, revision: number): string {
  if (drawings.figures.length === 0) return '<p class="note">Figures come with the first epoch.</p>';
  return drawings.figures
    .map(({ id: name, title, caption }) => {
      const path = `/runs/${id}/figures/${name}`;
      const at = `revision=${revision}`;
      const picture = `<picture><source media="(max-width: 50rem)" srcset="${path}.svg?narrow&amp;${at}"><img src="${path}.svg?${at}" alt="${escapeHtml(title)}" loading="lazy"></picture>`;
      const saves = SAVED_AS.map((format) => ({ format: format.toUpperCase(), href: `${path}.${format}` }));
      return framedFigure({ id: `run-${id}-${name}`, title, caption, saves }, picture);
    })
    .join('\n');
}
