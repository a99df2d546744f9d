/** What a person sees while an experiment runs, on stderr: a live bar on a terminal, plain lines otherwise, nothing with --quiet. */

import type { Progress } from '../native/types/pass';
import type { EpochMetrics } from '../run/metrics';
import type { Observer } from '../run/observer';

export interface ProgressOptions {
  quiet: boolean;
  /** Steps between two plain progress lines. */
  logInterval?: number;
  stream?: NodeJS.WriteStream;
}

export function createObserver({ quiet, logInterval = 100, stream = process.stderr }: ProgressOptions): Observer {
  if (quiet) return {};
  return stream.isTTY ? liveObserver(stream) : plainObserver(stream, logInterval);
}

interface Running {
  phase: string;
  epoch: number;
  epochs: number;
  lr: number;
  /** Seconds of complete epochs and how many there were, for the estimate. */
  spent: number;
  done: number;
}

const idle = (): Running => ({ phase: '', epoch: 0, epochs: 0, lr: 0, spent: 0, done: 0 });

/** Lines like the reference's every `logInterval` steps, and one line an epoch. */
function plainObserver(stream: NodeJS.WriteStream, logInterval: number): Observer {
  let now = idle();
  let shown = 0;
  return {
    log: (line) => stream.write(`${line}\n`),
    epoch(info) {
      now = { ...(info.phase === now.phase ? now : idle()), ...info };
      shown = 0;
    },
    progress(pass, progress) {
      if (pass !== 'train' || progress.step - shown < logInterval) return;
      shown = progress.step;
      stream.write(`${now.phase} epoch ${now.epoch} ${stepText(progress)}\n`);
    },
    metrics(line) {
      now = completed(now, line);
      stream.write(`${epochText(now, line)}\n`);
    },
  };
}

/** The last line of the terminal is redrawn; whole epochs scroll away above it. */
function liveObserver(stream: NodeJS.WriteStream): Observer {
  let now = idle();
  const clear = () => stream.write('\r\x1b[K');
  const above = (line: string) => {
    clear();
    stream.write(`${line}\n`);
  };
  return {
    log: above,
    epoch(info) {
      now = { ...(info.phase === now.phase ? now : idle()), ...info };
    },
    progress(pass, progress) {
      const share = progress.steps > 0 ? progress.step / progress.steps : 0;
      const where = now.epochs > 0 ? `${now.phase} ${now.epoch + 1}/${now.epochs} ` : '';
      const text = `${where}${pass} ${bar(share)} ${stepText(progress)}${eta(now, share)}`;
      clear();
      stream.write(text.slice(0, Math.max(20, (stream.columns ?? 100) - 1)));
    },
    metrics(line) {
      now = completed(now, line);
      above(epochText(now, line));
    },
    end: clear,
  };
}

function completed(now: Running, { seconds, swa }: EpochMetrics): Running {
  const spent = seconds.train + seconds.evaluate + (swa?.seconds ?? 0);
  return { ...now, spent: now.spent + spent, done: now.done + 1 };
}

const WIDTH = 20;
const bar = (share: number) => `[${'='.repeat(Math.round(share * WIDTH)).padEnd(WIDTH)}]`;
const fixed = (value: number | null, digits: number) => (value === null ? '-' : value.toFixed(digits));

function stepText({ step, steps, images, seconds, loss, top1 }: Progress): string {
  const rate = seconds > 0 ? Math.round(images / seconds) : 0;
  return `step ${step}/${steps} ${rate} images/s loss ${fixed(loss, 4)} top-1 ${fixed(top1, 2)}%`;
}

/** One line for a whole epoch, with the largest mask distance of every ratio. */
export function epochText({ phase, epochs }: Pick<Running, 'phase' | 'epochs'>, line: EpochMetrics): string {
  const { completed: count, lr, train, test, swa, imagesPerSecond, distances, emerged } = line;
  const masks = Object.entries(distances).map(([percent, values]) => {
    const largest = values === null ? '-' : Math.max(0, ...values).toFixed(3);
    return ` d${percent} ${largest}${emerged[percent] === undefined ? '' : '*'}`;
  });
  return (
    `${phase} epoch ${count}/${epochs} lr ${Number(lr.toPrecision(6))} loss ${train.loss.toFixed(4)} train ${train.top1.toFixed(2)}% ` +
    `test ${test.top1.toFixed(2)}%${swa ? ` swa ${swa.top1.toFixed(2)}%` : ''} ${Math.round(imagesPerSecond)} images/s${masks.join('')}`
  );
}

/** Time left in this phase, from the epochs it has completed. */
function eta({ spent, done, epoch, epochs }: Running, share: number): string {
  if (done === 0) return '';
  const seconds = Math.round((spent / done) * Math.max(0, epochs - epoch - share));
  const minutes = Math.floor(seconds / 60);
  const text =
    minutes >= 60
      ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
      : minutes > 0
        ? `${minutes} min ${seconds % 60} s`
        : `${seconds} s`;
  return ` left ${text}`;
}
