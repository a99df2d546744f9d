import { barLine, createDisplay, duration, epochLine, plainLine, type State } from '../../src/cli/progress';
import type { EpochMetrics } from '../../src/run/metrics';

const TRAINING: State = {
  what: 'search',
  epoch: 3,
  epochs: 160,
  pass: 'train',
  unit: 'step',
  done: 191,
  total: 313,
  imagesPerSecond: 1234.4,
  loss: 1.42424,
  top1: 48.21,
  lr: 0.1,
  left: 12,
  leftOfAll: 8040,
};
const PLAIN = { colour: false, unicode: false };
const COLOURED = { colour: true, unicode: true };
const uncoloured = (line: string) => line.replace(/\x1b\[\d*m/g, '');

test('a wide bar says everything', () => {
  expect(barLine(TRAINING, { ...PLAIN, width: 160 })).toBe(
    'search 3/160 train  [================           ]   61%  step 191/313  1234 images/s  loss 1.4242  top-1 48.21%  lr 0.1  epoch left 12 s  search left 2 h 14 min',
  );
});

test.each([20, 40, 60, 80, 100, 120, 200])(
  '%i columns are never exceeded, and colour changes nothing else',
  (width) => {
    const plain = barLine(TRAINING, { width, colour: false, unicode: true });
    expect(plain.length).toBeLessThanOrEqual(width);
    expect(plain).toContain('search 3/160');
    const coloured = barLine(TRAINING, { ...COLOURED, width });
    expect(uncoloured(coloured)).toBe(plain);
    expect(coloured.includes('\x1b')).toBe(width > 20);
  },
);

test('a narrow bar keeps the time that is left longest, and the bar', () => {
  const line = barLine(TRAINING, { ...PLAIN, width: 64 });
  expect(line).toMatch(/^search 3\/160 train {2}\[=+ +\] {3}61% {2}search left 2 h 14 min$/);
  expect(barLine(TRAINING, { ...PLAIN, width: 26 })).toBe('search 3/160 train   61%');
  expect(barLine(TRAINING, { ...PLAIN, width: 8 })).toBe('search 3');
});

test('what is not known is left out', () => {
  const first: State = { what: 'evaluate', pass: 'test', unit: 'step', done: 0, total: 4, loss: null, top1: null };
  expect(barLine(first, { ...PLAIN, width: 90 })).toBe(
    'evaluate test  [                            ]    0%  step 0/4  loss -  top-1 -%',
  );
  expect(barLine({ what: 'fetching', unit: 'MB', done: 12, total: null }, { ...COLOURED, width: 80 })).toBe(
    '\x1b[1mfetching\x1b[0m  12 MB',
  );
  expect(barLine({ what: 'packing', done: 5, total: 5 }, { ...PLAIN, width: 40 })).toBe(
    'packing  [==================]  100%  5/5',
  );
});

test('plain lines count epochs from 1, as the lines of epochs do', () => {
  expect(plainLine(TRAINING)).toBe(
    'search epoch 3/160 step 191/313 1234 images/s loss 1.4242 top-1 48.21% lr 0.1 epoch left 12 s search left 2 h 14 min',
  );
  expect(plainLine({ what: 'fetching', unit: 'MB', done: 12, total: 170, left: 75 })).toBe(
    'fetching 12/170 MB left 1 min 15 s',
  );
});

test('durations', () => {
  expect([0, 8, 59.6, 75, 3600, 8040, 200_000].map(duration)).toEqual([
    '0 s',
    '8 s',
    '1 min 0 s',
    '1 min 15 s',
    '1 h 0 min',
    '2 h 14 min',
    '2 d 7 h',
  ]);
});

const EPOCH: EpochMetrics = {
  epoch: 0,
  completed: 1,
  lr: 0.1,
  train: { loss: 2, lossBatchMean: 2, top1: 20, top1BatchMean: 20 },
  test: { loss: 2, top1: 25, top1BatchMean: 25, top5: 60 },
  seconds: { train: 8, evaluate: 2 },
  imagesPerSecond: 100,
  joules: null,
  distances: { 30: [0.02, 0.08], 50: null },
  emerged: { 30: 1 },
};

test('the line of an epoch has the largest distance of its masks', () => {
  expect(epochLine({ phase: 'search', epochs: 8 }, EPOCH)).toBe(
    'search epoch 1/8 lr 0.1 loss 2.0000 train 20.00% test 25.00% 100 images/s mask distance 30% 0.080, 50% -',
  );
});

/** No UTF-8: a bar of ASCII. */
beforeAll(() => {
  process.env.LC_ALL = 'C';
});

function display(options: { isTTY: boolean; quiet?: boolean; logInterval?: number }) {
  let out = '';
  const listeners: (() => void)[] = [];
  const stream = {
    ...options,
    columns: 200,
    hasColors: () => false,
    write: (text: string) => {
      out += text;
    },
    on: (_: string, listener: () => void) => listeners.push(listener),
    off: () => listeners.pop(),
  };
  const made = createDisplay({ quiet: false, ...options, stream: stream as unknown as NodeJS.WriteStream });
  const written = () => {
    const text = out;
    out = '';
    return text;
  };
  return { ...made, written, resize: () => listeners[0]!(), listeners, stream };
}

const step = (done: number) => ({ step: done, steps: 4, images: 100 * done, seconds: 2 * done, loss: 1, top1: 50 });

test('without a terminal: a line every so many steps, one an epoch, and an estimate of what is left', () => {
  const { observer, written } = display({ isTTY: false, logInterval: 2 });
  observer.epoch!({ phase: 'search', epoch: 0, epochs: 3, lr: 0.1 });
  for (const done of [1, 2, 3]) observer.progress!('train', step(done));
  expect(written()).toBe(
    'search epoch 1/3 step 2/4 50 images/s loss 1.0000 top-1 50.00% lr 0.1 epoch left 4 s search left 20 s\n',
  );
  observer.progress!('test', step(4));
  observer.metrics!(EPOCH);
  expect(written()).toMatch(/^search epoch 1\/3 [^\n]+\n$/);
  observer.epoch!({ phase: 'search', epoch: 1, epochs: 3, lr: 0.1 });
  observer.progress!('train', step(2));
  // 4 s of training and the 2 s that the last test took, then an epoch of 10 s.
  expect(written()).toContain('epoch left 6 s search left 16 s\n');
});

test('on a terminal: the bar is drawn again below each log line and when the width changes, and leaves no trace', () => {
  const { observer, end, written, resize, listeners, stream } = display({ isTTY: true });
  observer.log!('first');
  expect(written()).toBe('first\n');
  observer.progress!('test', step(1));
  const bar = written();
  expect(bar).toMatch(/^\r \x1b\[Jevaluate test {2}\[=+ +\] [^\r\n]+\r$/);
  observer.log!('second');
  expect(written()).toBe(`\r \x1b[J\rsecond\n${bar}`);
  stream.columns = 30;
  resize();
  expect(written()).toBe('\r \x1b[Jevaluate test   25%\r');
  end();
  end();
  expect(written()).toBe('\r \x1b[J\r');
  expect(listeners).toEqual([]);
});

test('--quiet shows nothing', () => {
  const { observer, show, end, written } = display({ isTTY: true, quiet: true });
  observer.log?.('line');
  show('fetching', 1, 2);
  end();
  expect(written()).toBe('');
});
