/** Progress on stderr: a live bar on a terminal, occasional plain lines elsewhere, nothing with --quiet. */
import type { Progress } from '../native/types/pass';
import { rungText } from '../recipe/ladder';
import type { EpochMetrics } from '../run/metrics';
import type { Observer } from '../run/observer';
import { signalsOf } from '../ticket/watch';

/** State of a run, or of a count of files, at one moment; unknown figures are absent or null. */
export interface State {
  /** Name of the work: "search", "fetching". */
  what: string;
  /** Number of the epoch, from 1. */
  epoch?: number;
  epochs?: number;
  pass?: string;
  unit?: string;
  done: number;
  total: number | null;
  imagesPerSecond?: number;
  loss?: number | null;
  top1?: number | null;
  lr?: number;
  /** Seconds left in this epoch, or in this count. */
  left?: number;
  /** Seconds left in all epochs. */
  leftOfAll?: number;
}

interface Look {
  width: number;
  colour: boolean;
  /** True where the terminal shows more than ASCII. */
  unicode: boolean;
}

export type Show = (what: string, done: number, total: number | null, unit?: string) => void;

interface Display {
  observer: Observer;
  /** Shows the number of files or bytes that are done. */
  show: Show;
  /** Erases the bar. Call it before a result or an error is printed. */
  end(): void;
}

interface Options {
  quiet: boolean;
  /** Steps between two plain lines of a training epoch. */
  logInterval?: number;
  stream?: NodeJS.WriteStream;
}

/** Milliseconds between two plain lines of anything but training steps. */
const NOW_AND_THEN = 10_000;

export function createDisplay({ quiet, logInterval = 100, stream = process.stderr }: Options): Display {
  if (quiet) return { observer: {}, show: () => {}, end: () => {} };
  const live = stream.isTTY && process.env.TERM !== 'dumb';
  const output = live ? liveOutput(stream) : plainOutput(stream, logInterval);
  return { observer: observe(output), show: counting(output), end: output.end };
}

interface Output {
  log(line: string): void;
  draw(state: State): void;
  end(): void;
}

/**
 * The last line of the terminal is the bar; log lines scroll away above it. The cursor waits before its first column,
 * so that clearing from there to the end of the screen also removes the rows into which a narrower window has broken
 * the line. The space keeps the cleared part from being a whole screen, which tmux would save in its history.
 */
const CLEAR = '\r \x1b[J';

function liveOutput(stream: NodeJS.WriteStream): Output {
  let shown: State | null = null;
  const unicode = /utf-?8/i.test(process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '');
  const draw = (state: State) => {
    if (!shown) {
      stream.on('resize', redraw);
      process.once('exit', end);
    }
    shown = state;
    const look = { width: (stream.columns || 80) - 2, colour: stream.hasColors(), unicode };
    stream.write(`${CLEAR}${barLine(state, look)}\r`);
  };
  const redraw = () => shown && draw(shown);
  const end = () => {
    if (!shown) return;
    shown = null;
    stream.off('resize', redraw);
    process.off('exit', end);
    stream.write(`${CLEAR}\r`);
  };
  const log = (line: string) => {
    stream.write(`${shown ? `${CLEAR}\r` : ''}${line}\n`);
    redraw();
  };
  return { log, draw, end };
}

/** Output of training as plain lines, one every `logInterval` steps as in the reference. */
function plainOutput(stream: NodeJS.WriteStream, logInterval: number): Output {
  let steps = { epoch: 0, done: 0 };
  let last = Date.now();
  return {
    log: (line) => stream.write(`${line}\n`),
    draw(state) {
      const { pass, epoch = 0, done } = state;
      if (pass === 'train') {
        if (done - (steps.epoch === epoch ? steps.done : 0) < logInterval) return;
        steps = { epoch, done };
      } else if (Date.now() - last < NOW_AND_THEN) return;
      last = Date.now();
      stream.write(`${plainLine(state)}\n`);
    },
    end: () => {},
  };
}

/** Follows the epochs of a run, and estimates how long the rest will take. */
function observe({ log, draw }: Output): Observer {
  let run = { phase: '', epoch: 0, epochs: 0, lr: 0 };
  /**
   * Number and seconds of complete epochs of this phase; `testing`: seconds after the training pass of the last one.
   */
  let spent = { epochs: 0, seconds: 0, testing: 0 };
  return {
    log,
    epoch(info) {
      if (info.phase !== run.phase) spent = { epochs: 0, seconds: 0, testing: 0 };
      run = info;
    },
    progress(pass, { step, steps, images, seconds, loss, top1 }: Progress) {
      const { phase, epoch, epochs, lr } = run;
      const ofPass = step > 0 ? seconds / step : 0;
      const left = ofPass * (steps - step) + (pass === 'train' ? spent.testing : 0);
      const ofEpoch = spent.epochs > 0 ? spent.seconds / spent.epochs : ofPass * steps;
      draw({
        what: phase || 'evaluate',
        ...(epochs > 0 ? { epoch: epoch + 1, epochs, lr } : {}),
        pass,
        unit: 'step',
        done: step,
        total: steps,
        imagesPerSecond: seconds > 0 ? images / seconds : 0,
        loss,
        top1,
        left,
        ...(epochs > 0 && (pass === 'train' || spent.epochs > 0)
          ? { leftOfAll: left + ofEpoch * (epochs - epoch - 1) }
          : {}),
      });
    },
    metrics(line) {
      const testing = line.seconds.evaluate + (line.swa?.seconds ?? 0);
      spent = { epochs: spent.epochs + 1, seconds: spent.seconds + line.seconds.train + testing, testing };
      log(epochLine(run, line));
    },
  };
}

function counting({ draw }: Output): Show {
  let begin = { what: '', done: 0, at: 0 };
  return (what, done, total, unit) => {
    if (what !== begin.what) begin = { what, done, at: Date.now() };
    const rate = (done - begin.done) / (Date.now() - begin.at);
    const left = total !== null && rate > 0 ? { left: (total - done) / rate / 1e3 } : {};
    draw({ what, done, total, ...(unit ? { unit } : {}), ...left });
  };
}

// --- lines

const fixed = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));

/** The parts of a line after its label, the most important first, each with its position in the line. */
function facts({ what, unit, done, total, imagesPerSecond, loss, top1, lr, left, leftOfAll }: State) {
  const count = `${done}${total === null ? '' : `/${total}`}`;
  const facts: [name: keyof typeof PAINT, order: number, text: string | false | undefined][] = [
    ['left', 7, leftOfAll !== undefined && `${what} left ${duration(leftOfAll)}`],
    ['loss', 3, loss !== undefined && `loss ${fixed(loss, 4)}`],
    ['loss', 4, top1 !== undefined && `top-1 ${fixed(top1, 2)}%`],
    ['plain', 1, unit === 'step' ? `step ${count}` : [count, unit].filter(Boolean).join(' ')],
    ['plain', 2, imagesPerSecond !== undefined && `${Math.round(imagesPerSecond)} images/s`],
    ['left', 6, left !== undefined && `${leftOfAll === undefined ? '' : 'epoch '}left ${duration(left)}`],
    ['plain', 5, lr !== undefined && `lr ${Number(lr.toPrecision(6))}`],
  ];
  return facts.flatMap(([name, order, text]) => (text ? [{ name, order, text }] : []));
}

/** Formats `search epoch 1/8 step 101/313 190 images/s loss 2.3013 ...`. */
export function plainLine(state: State): string {
  const { what, epoch, epochs, pass } = state;
  const label = [what, epoch && `epoch ${epoch}/${epochs}`, pass !== 'train' && pass].filter(Boolean);
  const rest = facts(state).sort((a, b) => a.order - b.order);
  return [...label, ...rest.map(({ text }) => text)].join(' ');
}

const PAINT = { label: '1', done: '32', rest: '90', percent: '1', loss: '36', left: '33', plain: '' };
const BAR = { least: 10, most: 30 };

/**
 * One line of at most `width` columns. Parts that do not fit are left out, the least important first, and the bar takes
 * the rest.
 */
export function barLine(state: State, { width, colour, unicode }: Look): string {
  const { what, epoch, epochs, pass, done, total } = state;
  const share = total ? Math.min(1, done / total) : null;
  const label = [what, epoch && `${epoch}/${epochs}`, pass !== what && pass].filter(Boolean).join(' ');
  const percent = share === null ? '' : `${Math.floor(100 * share)}%`.padStart(4);
  const paint = (name: keyof typeof PAINT, text: string) =>
    colour && text && PAINT[name] ? `\x1b[${PAINT[name]}m${text}\x1b[0m` : text;
  const kept = facts(state);
  const room = () => width - [label, ...(percent ? [percent] : []), ...kept.map(({ text }) => text)].join('  ').length;
  while (kept.length > 0 && room() < (share === null ? 0 : BAR.least + 2)) kept.pop();
  if (room() < 0) return label.slice(0, width);
  const bar = share === null ? '' : barOf(share, Math.min(BAR.most, room() - 2), { paint, unicode });
  return [
    paint('label', label),
    ...[bar, paint('percent', percent)].filter(Boolean),
    ...kept.sort((a, b) => a.order - b.order).map(({ name, text }) => paint(name, text)),
  ].join('  ');
}

interface Brush {
  paint(name: 'done' | 'rest', text: string): string;
  unicode: boolean;
}

function barOf(share: number, width: number, { paint, unicode }: Brush): string {
  if (width < BAR.least) return '';
  const [full, empty, from, to] = unicode ? ['━', '╌', '', ''] : ['=', ' ', '[', ']'];
  const inner = width - from!.length - to!.length;
  const filled = Math.round(share * inner);
  return `${from}${paint('done', full!.repeat(filled))}${paint('rest', empty!.repeat(inner - filled))}${to}`;
}

/** One line for a finished epoch, with the signal of the detector at every ratio. */
export function epochLine({ phase, epochs }: { phase: string; epochs: number }, line: EpochMetrics): string {
  const { completed, lr, train, test, swa, imagesPerSecond, signals, arithmetic } = line;
  const masks = Object.entries(signalsOf(line)).map(([percent, signal]) => `${percent}% ${signal?.toFixed(3) ?? '-'}`);
  return [
    `${phase} epoch ${completed}/${epochs} lr ${Number(lr.toPrecision(6))} loss ${train.loss.toFixed(4)}`,
    `train ${train.top1.toFixed(2)}% test ${test.top1.toFixed(2)}%`,
    ...(swa ? [`swa ${swa.top1.toFixed(2)}%`] : []),
    `${Math.round(imagesPerSecond)} images/s`,
    ...(arithmetic?.forward ? [`forward ${rungText(arithmetic.forward)}`] : []),
    ...(masks.length > 0 ? [`${signals ? 'detector' : 'mask distance'} ${masks.join(', ')}`] : []),
  ].join(' ');
}

/** Formats seconds: 8 -> "8 s", 75 -> "1 min 15 s", 8040 -> "2 h 14 min", 200000 -> "2 d 7 h". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const units = [
    `${Math.floor(whole / 86_400)} d`,
    `${Math.floor(whole / 3600) % 24} h`,
    `${Math.floor(whole / 60) % 60} min`,
    `${whole % 60} s`,
  ];
  const first = units.findIndex((text) => !text.startsWith('0 '));
  return units.slice(first).slice(0, 2).join(' ');
}
