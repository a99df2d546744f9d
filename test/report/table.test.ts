import {
  formatFlops,
  formatJoules,
  formatParameters,
  formatPercent,
  formatRatio,
  formatSeconds,
} from '../../src/report/format';
import { htmlTable, summaryTable, trainingHeadline } from '../../src/report/table';
import { SAMPLE } from '../support/report-sample';

test('numbers read as in the papers', () => {
  expect(formatParameters(14723136)).toBe('14.72 M');
  expect(formatParameters(138357544)).toBe('138.36 M');
  expect(formatParameters(812)).toBe('812');
  expect(formatFlops(628862976)).toBe('0.63 G');
  expect(formatFlops(12345678)).toBe('12.35 M');
  expect(formatSeconds(12.34)).toBe('12.3 s');
  expect(formatSeconds(1843.2)).toBe('1,843 s');
  expect(formatJoules(402000)).toBe('402 kJ');
  expect(formatPercent(72.3)).toBe('72.30 %');
  expect(formatRatio(1, 4)).toBe('0.25x');
});

test('what is missing is a dash, and no ratio is made of it', () => {
  for (const format of [formatParameters, formatFlops, formatSeconds, formatJoules, formatPercent]) {
    expect([format(Number.NaN), format(null), format(undefined)]).toEqual(['–', '–', '–']);
  }
  expect([formatRatio(Number.NaN, 1), formatRatio(1, null), formatRatio(1, 0)]).toEqual(['', '', '']);
});

describe('the summary', () => {
  test('lines up in a terminal, with the ticket as a share of the dense run', () => {
    const lines = summaryTable(SAMPLE.summary).split('\n');
    expect(lines[0]).toMatch(/^run +last top-1 +best top-1 +parameters +FLOPs +time$/);
    expect(lines[2]).toMatch(/^dense +72.30 % +72.68 % +14.72 M +0.63 G +1,843 s$/);
    expect(lines[3]).toContain('9.13 M (0.62x)');
    expect(lines[3]).toContain('0.41 G (0.66x)');
    expect(lines[3]).toContain('12.3 s (0.01x)');
    expect(lines[2]!.indexOf(' M') - lines[3]!.indexOf(' M')).toBe(0);
  });

  test('compares no time with that of a run that was stopped', () => {
    const [dense, ...others] = SAMPLE.summary;
    const text = summaryTable([{ ...dense!, stopped: true }, ...others]);
    expect(text).toContain('9.13 M (0.62x)');
    expect(text).not.toContain('12.3 s (');
  });

  test('has its headline: what EB Train costs against the dense network trained to the end', () => {
    const cost = { ebTrain: 8.37e15, dense: 15.06e15, ratio: 8.37 / 15.06, epochs: 160 };
    expect(trainingHeadline(cost)).toBe(
      'EB Train took 0.56x the training FLOPs of the dense network: 8.37 P for search and retraining, 15.06 P for all 160 epochs of the dense one.',
    );
  });

  test('has bit operations where they were counted, and says that energy of a table is modelled', () => {
    const cost = { ebTrain: 8.37e15, dense: 15.06e15, ratio: 8.37 / 15.06, epochs: 160 };
    const costs = (gbitops: number) => ({ gbitops, modelledJoules: gbitops / 1e3 });
    const arithmetic = { search: costs(2e3), retrain: costs(1e3), dense: costs(6e5) };
    expect(trainingHeadline({ ...cost, arithmetic })).toMatch(
      / In bit operations, 0\.005x of the dense network in full precision: 2\.00 T for the search, 1\.00 T for the retraining\.$/,
    );
    expect(summaryTable(SAMPLE.summary)).not.toMatch(/bit ops|modelled/);
    const counted = SAMPLE.summary.map((row, i) => ({ ...row, arithmetic: i === 0 ? costs(2e3) : costs(500) }));
    for (const table of [summaryTable(counted), htmlTable(counted)]) {
      expect(table).toContain('2.00 T');
      expect(table).toContain('0.50 T (0.25x)');
      expect(table).toMatch(/modelled by a table of 45 nm and not measured: dense: 2\.0 J; .*: 0\.5 J\./);
    }
  });

  test('says so where the data is synthetic, in every form', () => {
    for (const table of [summaryTable, htmlTable]) {
      expect(table(SAMPLE.summary, { synthetic: true })).toContain('Synthetic dataset');
      expect(table(SAMPLE.summary)).not.toContain('Synthetic');
    }
  });

  test('shows energy only where something measured it', () => {
    expect(summaryTable(SAMPLE.summary)).not.toContain('energy');
    const measured = SAMPLE.summary.map((row, i) => ({ ...row, joules: i === 0 ? 2000 : null }));
    expect(summaryTable(measured)).toMatch(/energy.*2\.0 kJ.*–/s);
    const said = measured.map((row) => ({ ...row, joulesBy: 'estimated from the given watts' }));
    for (const table of [summaryTable, htmlTable]) {
      expect(table(said).match(/Energy estimated from the given watts\./g)).toHaveLength(1);
      expect(table(said.slice(1))).not.toContain('Energy');
    }
  });

  test('shows the weight average only where there is one', () => {
    expect(summaryTable(SAMPLE.summary)).not.toContain('SWA');
    const averaged = SAMPLE.summary.map((row, i) => ({ ...row, top1Swa: i === 0 ? 73.1 : null }));
    expect(summaryTable(averaged)).toMatch(/SWA top-1.*73\.10 %.*–/s);
  });

  test('is safe in HTML', () => {
    const rows = [{ ...SAMPLE.summary[0]!, label: '<b>a|b</b>' }];
    expect(htmlTable(rows)).toContain('&lt;b&gt;a|b&lt;/b&gt;');
  });

  test('can be empty', () => {
    expect(summaryTable([])).toBe('No run has finished yet.');
    expect(htmlTable([])).toBe('<p>No run has finished yet.</p>');
  });
});
