/** Result of `detect` as text, for people. */
import { formatFlops, formatJoules, formatPercent, formatSeconds, MISSING } from '../../report/format';
import { epochsText } from '../../run/names';
import type { Calibration } from '../../study/detect/calibrate';
import type { Chance } from '../../study/detect/chance';
import type { DetectedRun, DetectResult, DetectRow } from '../../study/detect/detect';
import { medianAndRange, range } from './cells';

const distance = (value: number | null) => value?.toFixed(3) ?? MISSING;

interface Column {
  title: string;
  cell(row: DetectRow): string;
  /** Value of a column that is left out where no row has one. */
  optional?(row: DetectRow): number | null;
}

const COLUMNS: Column[] = [
  { title: 'p', cell: ({ ratio }) => String(ratio) },
  { title: 'detector', cell: ({ detector }) => detector },
  { title: 'fires after', cell: ({ firesAfter }) => (firesAfter === null ? 'never' : epochsText(firesAfter)) },
  {
    title: 'its signal',
    cell: ({ signal, signalAfter, signalIs, firesAfter }) =>
      signal === null
        ? MISSING
        : `${signalIs} ${signal.toFixed(3)}${firesAfter === null ? `, closest, after ${signalAfter}` : ''}`,
  },
  { title: 'FLOPs', cell: ({ flops }) => formatFlops(flops), optional: ({ flops }) => flops },
  { title: 'time', cell: ({ seconds }) => formatSeconds(seconds) },
  { title: 'energy', cell: ({ joules }) => formatJoules(joules), optional: ({ joules }) => joules },
  { title: 'to last', cell: ({ toLast }) => distance(toLast) },
  { title: 'to best', cell: ({ toBest }) => distance(toBest) },
  { title: 'ticket top-1', cell: ({ top1 }) => formatPercent(top1), optional: ({ top1 }) => top1 },
];

export function detectText({ runs, calibration }: DetectResult): string {
  return [...runs.map(runText), ...(calibration ?? []).map(calibrationText)].join('\n\n');
}

function runText({ folder, network, seed, last, best, rows }: DetectedRun): string {
  const shown = COLUMNS.filter(({ optional }) => !optional || rows.some((row) => optional(row) !== null));
  const table = [shown.map(({ title }) => title), ...rows.map((row) => shown.map(({ cell }) => cell(row)))];
  const widths = shown.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row
      .map((text, i) => (i < 4 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  const reasons = [...new Set(rows.flatMap(({ detector, why }) => (why ? `${detector}: ${why}` : [])))];
  const bestText = best === null ? '' : `, to best: that after ${best}, chosen on the test set`;
  return [
    `${folder}: ${network}${seed === null ? '' : `, seed ${seed}`}`,
    ...lines,
    `FLOPs, time and energy: of the search up to there. Mask distance to last: the mask after ${epochsText(last)}${bestText}.`,
    ...reasons,
  ].join('\n');
}

const chanceText = ({ mean, sd }: Chance) => `${mean.toFixed(3)} +- ${sd.toFixed(3)}`;

function calibrationText(calibration: Calibration): string {
  const { network, folders, ratio, channels, kept, chance, chanceInLayers, betweenRuns, plateaus } = calibration;
  const pairs = (folders.length * (folders.length - 1)) / 2;
  return [
    `${network} at p = ${ratio}: ${kept} of ${channels} channels kept`,
    `  by chance, from all channels:       ${chanceText(chance)}`,
    ...(chanceInLayers ? [`  by chance, within layers:           ${chanceText(chanceInLayers)}`] : []),
    ...(betweenRuns
      ? [
          `  between the last masks of the runs: ${medianAndRange(betweenRuns, 3)}, ${pairs} ${pairs === 1 ? 'pair' : 'pairs'}`,
        ]
      : []),
    ...plateaus.map(
      (one) =>
        `  plateau, epochs ${one.first} to ${one.last}: ${one.median.toFixed(3)} (${range(one, 3)})${one.falling ? ', still falling' : ''}: ${one.folder}`,
    ),
    `  ${calibration.threshold === null ? 'no threshold' : `--detector-threshold ${calibration.threshold}`}: ${calibration.reason}`,
  ].join('\n');
}
