import { recordBest, recordText, round2 } from '../../src/experiment/record';
import { describeGolden, golden } from './golden';
import { metrics } from './metrics';

interface SearchLoop {
  case: string;
  start_epoch: number;
  epochs: number;
  test_accuracy_per_epoch: number[];
  record_txt: string;
}

describeGolden('record.txt against the release', () => {
  const { search_loops } = golden<{ search_loops: SearchLoop[] }>('detector.json');
  test.each(search_loops.map((loop) => [loop.case, loop] as const))('%s', (_name, loop) => {
    const lines = loop.test_accuracy_per_epoch
      .map((accuracy, epoch) => metrics(epoch, 2.5 - 0.1 * epoch, round2(accuracy - 1), accuracy))
      .slice(loop.start_epoch);
    expect(recordText(loop.epochs, lines, recordBest(lines))).toBe(loop.record_txt);
  });
});

test('zeros for epochs not run, and nothing overwritten before the end', () => {
  expect(recordText(2, [metrics(0, 1.5, 10.126, 20.124)])).toBe(
    '   1.50000,  10.13000,  20.12000\n   0.00000,   0.00000,   0.00000\n',
  );
});
