/** Facts of a run in words and numbers: epoch, accuracy, throughput, time left, energy, detectors. */
import { epochsTotal } from '../energy/totals';
import { detectorOf, masksNeeded } from '../recipe/detectors';
import { formatDuration, formatJoules, formatPercent, formatWatts, MISSING } from '../report/format';
import type { EpochMetrics } from '../run/metrics';
import { epochsText, ratioKey } from '../run/names';
import { signalsOf } from '../ticket/watch';
import type { RunView, Stage } from './read';

/** Progress of one training, 0 to 1, and its name. */
export interface Progress {
  name: string;
  done: number;
  text: string;
}

/** A pruning ratio that a detector follows. */
export interface Detection {
  /** Ratio in percent. */
  ratio: string;
  signal: string;
  threshold: string;
  state: string;
  emerged: boolean;
}

export interface Facts {
  progress: Progress[];
  /** Names and values, in the order in which people look for them. */
  values: [name: string, value: string][];
  detector: string;
  detections: Detection[];
}

/** Number of epochs whose mean predicts the next ones. */
const RECENT = 5;

const known = new WeakMap<RunView, Facts>();

export function factsOf(run: RunView): Facts {
  const facts = known.get(run) ?? computed(run);
  known.set(run, facts);
  return facts;
}

function computed(run: RunView): Facts {
  const current = run.stages.find(({ training }) => training) ?? run.stages.at(-1);
  const searching = run.stages.find(({ recipe }) => recipe.ratios !== undefined);
  return {
    progress: run.stages.map((stage) => progressOf(stage, run)),
    values: current ? valuesOf(current, run) : [],
    detector: searching ? detectorOf(searching.recipe).name : '',
    detections: searching ? detectionsOf(searching) : [],
  };
}

const epochsOf = ({ recipe, metrics, live }: Stage) => recipe.epochs ?? live?.epochs ?? metrics.at(-1)?.completed ?? 0;
const completedOf = ({ metrics, recipe }: Stage) => metrics.at(-1)?.completed ?? recipe.startEpoch ?? 0;

/** Share of the running epoch that is trained; the test counts as its end. */
function withinEpoch({ live, metrics }: Stage): number {
  if (!live || live.epoch !== (metrics.at(-1)?.completed ?? live.epoch)) return 0;
  return live.pass === 'train' && live.steps > 0 ? Math.min(1, live.step / live.steps) : 1;
}

function progressOf(stage: Stage, run: RunView): Progress {
  const [completed, epochs] = [completedOf(stage), epochsOf(stage)];
  const name = stage.name === '.' ? run.command : stage.name.replace(/^retrain_/, 'retrain ');
  const part = withinEpoch(stage);
  const pass =
    stage.live && part > 0 ? `, ${stage.live.pass} ${Math.floor(100 * (stage.live.step / stage.live.steps))} %` : '';
  if (stage.finished) return { name, done: 1, text: `finished after ${epochsText(completed)}` };
  const done = epochs > 0 ? Math.min(1, (completed + part) / epochs) : 0;
  return { name, done, text: `epoch ${Math.min(epochs, completed + 1)} of ${epochs}${pass}` };
}

function valuesOf(stage: Stage, run: RunView): Facts['values'] {
  const { metrics, live } = stage;
  const last = metrics.at(-1);
  const total = epochsTotal(run.stages.flatMap((one) => one.metrics));
  const rate = (live?.pass === 'train' ? live.imagesPerSecond : last?.imagesPerSecond) ?? null;
  const left = run.state === 'training' ? secondsLeft(stage) : null;
  const best = metrics.length > 0 ? Math.max(...metrics.map(({ test }) => test.top1)) : null;
  const bad = metrics.reduce((sum, line) => sum + (line.bad ?? 0), 0);
  return [
    ['test top-1', formatPercent(last?.test.top1)],
    ['best', formatPercent(best)],
    ...(last?.swa ? [['SWA top-1', formatPercent(last.swa.top1)] as [string, string]] : []),
    ['train top-1', formatPercent(live?.pass === 'train' ? live.top1 : last?.train.top1)],
    ['train loss', lossText(live?.pass === 'train' ? live.loss : last?.train.loss)],
    ['learning rate', last ? String(Number(last.lr.toPrecision(3))) : MISSING],
    ['images/s', rate === null ? MISSING : Math.round(rate).toLocaleString('en-US')],
    ['time an epoch', formatDuration(secondsAnEpoch(metrics))],
    ['time left', left === null ? MISSING : `${stage.recipe.stopAtTicket ? 'at most ' : ''}${formatDuration(left)}`],
    ['energy', total ? `${formatJoules(total.joules)}${powerText(total)}` : MISSING],
    ...(bad > 0 ? [['bad images', String(bad)] as [string, string]] : []),
  ];
}

const powerText = ({ joules, seconds }: { joules: number | null; seconds: number }) =>
  joules === null || seconds === 0 ? '' : `, ${formatWatts(joules / seconds)}`;

const lossText = (loss: number | null | undefined) =>
  typeof loss === 'number' && Number.isFinite(loss) ? loss.toFixed(4) : MISSING;

/** Seconds of an epoch, with detection and the writes between where the run was metered. */
const secondsOfLine = ({ energy, seconds, swa }: EpochMetrics) =>
  energy?.whole?.seconds ?? seconds.train + seconds.evaluate + (swa?.seconds ?? 0);

/** Mean seconds of the latest epochs; null before the first one. */
export function secondsAnEpoch(metrics: readonly EpochMetrics[]): number | null {
  // The first epoch of a process includes the loading of its data.
  const recent = metrics.slice(Math.max(1, metrics.length - RECENT));
  const lines = recent.length > 0 ? recent : metrics;
  return lines.length === 0 ? null : lines.reduce((sum, line) => sum + secondsOfLine(line), 0) / lines.length;
}

/** Seconds until the last epoch of the stage; null before there is a pace. */
export function secondsLeft(stage: Stage): number | null {
  const pace = secondsAnEpoch(stage.metrics) ?? paceWithin(stage);
  const epochs = epochsOf(stage) - completedOf(stage) - withinEpoch(stage);
  return pace === null ? null : Math.max(0, epochs * pace);
}

/** Seconds of the first epoch, estimated from its first part. */
function paceWithin({ live }: Stage): number | null {
  if (live?.pass !== 'train' || !live.seconds || live.step === 0) return null;
  return (live.seconds * live.steps) / live.step;
}

function detectionsOf({ recipe, metrics, finished }: Stage): Detection[] {
  const detector = detectorOf(recipe);
  const { threshold } = detector.settings;
  const last = metrics.at(-1);
  const signals = last ? signalsOf(last) : {};
  const needed = masksNeeded(detector);
  return [...(recipe.ratios ?? [])]
    .sort((a, b) => a - b)
    .map((ratio) => {
      const key = ratioKey(ratio);
      const number = last?.emerged[key];
      const signal = signals[key] ?? null;
      const seen = Math.min(needed, metrics.length);
      const waiting = signal === null ? `${seen} of ${needed} masks` : 'not settled';
      return {
        ratio: `${key} %`,
        signal: signal === null ? MISSING : signal.toFixed(3),
        threshold: String(threshold),
        state: number !== undefined ? `ticket after ${epochsText(number - 1)}` : finished ? 'no ticket' : waiting,
        emerged: number !== undefined,
      };
    });
}
