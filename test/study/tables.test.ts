/** Tables of a study as text, Markdown, CSV and LaTeX, which pdflatex compiles where there is one. */
import { csvText } from '../../src/report/plain-table';
import { studyCsv, studyLatex, studyMarkdown, studyText } from '../../src/study/tables';
import { testLatex } from '../support/latex';
import { over, runOf, searchOf, studyOf } from './sample';

const searches = [1, 2, 3].map((seed) =>
  searchOf(seed, { dataset: { ...searchOf(1).dataset, name: 'my_images & 50% #1' } }),
);
const study = studyOf(
  [
    ...over([90, 91, 92]),
    ...over([88, 88.9, 90.1], { control: 'random' }),
    runOf(1, { draws: ['last'], state: 'failed' }),
    runOf(2, { draws: ['last'], top1: 11, collapsed: true }),
  ],
  { searches },
);

test('rows with interval, paired difference and marks', () => {
  const text = studyText(study);
  expect(text).toMatch(/^emergence +ticket +3\/3 +8 +91\.00 \[88\.52, 93\.48\] .* 0\.50 +0\.50x +0\.90x$/m);
  expect(text).toMatch(/^emergence +random +3\/3 .*−2\.00 \[−2\.25, −1\.75\] \* .*−2\.00 \[−2\.25, −1\.75\] \*/m);
  expect(text).toMatch(/^last +ticket +1\/3, 1 failed, 1 collapsed +20 +11\.00 /m);
});

test('a difference of fewer seeds than its row says so', () => {
  const partial = studyOf([...over([90, 91]), ...over([88, 89, 90], { control: 'random' })]);
  expect(studyText(partial)).toMatch(/^emergence +random +3\/3 .*−2\.00 \[−2\.00, −2\.00\] \* \(n = 2\) /m);
});

test('Markdown has a table a ratio, and no markup of names', () => {
  const lines = studyMarkdown(study).split('\n');
  const rows = lines.filter((line) => line.startsWith('|'));
  expect(rows).toHaveLength(2 + 3);
  expect(new Set(rows.map((row) => row.replaceAll('\\|', '').split('|').length)).size).toBe(1);
});

test('CSV has a line a run', () => {
  const lines = studyCsv(study).trim().split('\n');
  expect(lines).toHaveLength(1 + study.runs.length);
  expect(lines[1]).toMatch(/^0\.5,1,8,emergence,ticket,finished,90,90,false,50,100,5,500,/);
  expect(lines.filter((line) => line.includes(',failed,'))).toEqual([expect.stringMatching(/it diverged\.$/)]);
  expect(csvText([['a,b', 'c"d', null, 1]])).toBe('"a,b","c""d",,1\n');
});

const latex = studyLatex(study);

test('LaTeX escapes what it would read, in rows as wide as the head', () => {
  const rows = latex.split('\n').filter((line) => line.endsWith('\\\\'));
  expect(new Set(rows.map((row) => row.split('&').length))).toEqual(new Set([11]));
  for (const line of latex.split('\n').filter((text) => !text.startsWith('%')))
    expect(line.replace(/\\[%&#_$]|\$\\(pm|times|sim)\$|\$-\$/g, '')).not.toMatch(/[%#_$~±−–]/);
});

testLatex('pdflatex compiles it', () => latex);
