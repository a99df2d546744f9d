import { recordBest, recordText, round2 } from '../../src/run/record';
import { golden } from '../support/golden';
import { metrics } from '../support/metrics';

interface SearchLoop {
  case: string;
  start_epoch: number;
  epochs: number;
  test_accuracy_per_epoch: number[];
  record_txt: string;
}

describe('record.txt against the reference', () => {
  const { search_loops } = golden.json<{ search_loops: SearchLoop[] }>('detector.json');
  test.each(search_loops.map((loop) => [loop.case, loop] as const))('%s', (_name, loop) => {
    const lines = loop.test_accuracy_per_epoch
      .map((accuracy, epoch) => metrics(epoch, 2.5 - 0.1 * epoch, round2(accuracy - 1), accuracy))
      .slice(loop.start_epoch);
    expect(recordText(loop.epochs, lines, { best: recordBest(lines) })).toBe(loop.record_txt);
  });
});

test.each([
  [63.125, 63.12],
  [63.375, 63.38],
  [63.1250001, 63.13],
  [0.125, 0.12],
  [100, 100],
])('%d rounds to %d, halves to the even neighbour as NumPy does', (value, rounded) => {
  expect(round2(value)).toBe(rounded);
});

test('zeros for epochs not run, and nothing overwritten before the end', () => {
  expect(recordText(2, [metrics(0, 1.5, 10.126, 20.124)])).toBe(
    '   1.50000,  10.13000,  20.12000\n   0.00000,   0.00000,   0.00000\n',
  );
});

test('with an average: a fourth column, and at the end it overwrites the second one of the last row', () => {
  const average = { n: 1, loss: 1, top1: 40, top1BatchMean: 40.126, top5: 90, seconds: 1 };
  const lines = [metrics(0, 1.5, 10, 20), { ...metrics(1, 1, 30, 35), swa: average }];
  expect(recordText(2, lines, { swa: true })).toBe(
    '   1.50000,  10.00000,  20.00000,   0.00000\n   1.00000,  30.00000,  35.00000,  40.13000\n',
  );
  expect(recordText(2, lines, { best: recordBest(lines), swa: true })).toBe(
    '   1.50000,  10.00000,  20.00000,   0.00000\n  35.00000,  40.13000,  35.00000,  40.13000\n',
  );
  expect(recordText(1, lines.slice(0, 1), { best: 20, swa: true })).toBe(
    '  20.00000,  10.00000,  20.00000,   0.00000\n',
  );
});
