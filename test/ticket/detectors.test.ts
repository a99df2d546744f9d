/** Detectors against independent implementations (scripts/golden/detectors.py) and on sequences worked out by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChosenDetector, detectorText, masksNeeded, parseDetector } from '../../src/recipe/detectors';
import { tUpper } from '../../src/student-t';
import { extended, type History, keptByLayer } from '../../src/ticket/detectors/detector';
import { layerJaccard } from '../../src/ticket/detectors/jaccard';
import { structureSimilarity } from '../../src/ticket/detectors/structure';
import { heldBy, judge } from '../../src/ticket/detectors/table';
import { erfc, mannKendall, slopeTest } from '../../src/ticket/detectors/trend-tests';
import { TicketWatch } from '../../src/ticket/watch';

const golden = JSON.parse(readFileSync(join(__dirname, '..', 'fixtures', 'detectors.json'), 'utf8'));
const unhex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const masks: Uint8Array[] = golden.sequence.masks.map(unhex);
const { layers } = golden.sequence;

/** Verdicts after each observation, from no more history than the detector holds. */
function verdicts(detector: ChosenDetector, of: Pick<History, 'layers' | 'masks'>, losses: (number | null)[] = []) {
  let history: History = { layers: of.layers, masks: [], losses: [] };
  return of.masks.map((mask, i) => {
    history = extended(history, mask, losses[i] ?? null, heldBy(detector));
    return judge(detector, history);
  });
}

describe('tests for a trend', () => {
  test.each(golden.trends as { values: number[]; kendall: object; slope: object }[])('series %#', (one) => {
    const close = (value: object) =>
      Object.fromEntries(Object.entries(value).map(([key, number]) => [key, expect.closeTo(number, 11)]));
    expect(mannKendall(one.values)).toEqual(close(one.kendall));
    expect(slopeTest(one.values)).toEqual(close(one.slope));
  });

  test('tails of Student t and of the normal distribution', () => {
    for (const { t, freedom, p } of golden.outsideT) expect(2 * tUpper(t, freedom)).toBeCloseTo(p, 13);
    for (const { x, value } of golden.erfc) expect(erfc(x) / value).toBeCloseTo(1, 12);
  });

  test('constant and straight series', () => {
    expect([mannKendall([1, 1, 1]).p, slopeTest([1, 1, 1]).p]).toEqual([1, 1]);
    expect(slopeTest([3, 2, 1, 0])).toEqual({ statistic: -1, p: 0 });
    expect(mannKendall([3, 2, 1, 0]).statistic).toBe(-6);
  });
});

describe('signals of a settling sequence', () => {
  test.each(Object.keys(golden.sequence.signals))('%s', (text) => {
    const detector = parseDetector(text);
    const wanted: (number | null)[] = golden.sequence.signals[text];
    const seen = verdicts(detector, { layers, masks });
    expect(seen.map(({ signal }) => signal)).toEqual(wanted.map((value) => value && expect.closeTo(value, 11)));
    expect(seen.findIndex(({ signal }) => signal !== null) + 1).toBe(masksNeeded(detector));
  });

  test('a trend is over where both p-values reach the level, and not before', () => {
    const fired = verdicts(parseDetector('trend'), { layers, masks }).map((verdict) => verdict.fired);
    const wanted: (number | null)[] = golden.sequence.signals.trend;
    expect(fired.indexOf(true)).toBe(wanted.findIndex((p) => p !== null && p >= 0.05));
    expect(fired.indexOf(true)).toBe(21);
  });
});

describe('worked out by hand', () => {
  // Layers of 3 and 6 channels: 110 111000 and 011 001110, in bytes 11011100 0 and 01100111 0.
  const two = [3, 6];
  const [a, b] = [Uint8Array.of(0b11011100, 0), Uint8Array.of(0b01100111, 0)];

  test('kept counts do not care for bytes', () => {
    expect([keptByLayer(a, two), keptByLayer(b, two)]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  test('Jaccard: 1 of 3 and 1 of 5 in common', () => {
    expect(layerJaccard(a, b, two)).toBeCloseTo((1 / 3 + 1 / 5) / 2, 15);
    const nothing = new Uint8Array(2);
    expect([layerJaccard(nothing, nothing, two), layerJaccard(a, nothing, two)]).toEqual([1, 0]);
  });

  test('structure: the same counts are the same, whichever channels they are', () => {
    expect(structureSimilarity(a, b, two)).toBe(1);
    // The counts are 2 and 3 against 1 and 3.
    expect(structureSimilarity(a, Uint8Array.of(0b10011100, 0), two)).toBeCloseTo(1 - 1 / 3 / 2, 15);
  });

  test('jaccard fires at its third equal pair, structure at the first', () => {
    const same = { layers: two, masks: Array.from({ length: 6 }, () => a) };
    const fires = (text: string) => verdicts(parseDetector(text), same).map(({ fired }) => fired);
    expect(fires('jaccard').indexOf(true)).toBe(4);
    expect(fires('structure').indexOf(true)).toBe(1);
    // Distances of 0 have no trend: 4 means of 2 need 6 masks.
    expect(fires('trend:window=4:smooth=2').indexOf(true)).toBe(5);
  });

  describe('loss-fifo', () => {
    const still = (count: number) => ({ layers: two, masks: Array.from({ length: count }, () => a) });
    const losses = [null, 4, 2, 2, 2.1, 2, 2, 2, 2];
    // After 4 epochs the scale is 10.1 / 4: 4 is 0.75 of it away from 2.1. After 5 the window of 4 is 2 2 2.1 2, scale 12.1 / 5.
    test('fires once all of the window are within the threshold of the scale', () => {
      const seen = verdicts(parseDetector('loss-fifo:window=4'), still(9), losses);
      expect(seen.map(({ fired }) => fired).indexOf(true)).toBe(5);
      expect(seen[4]!.signal).toBeCloseTo((1.9 * 4) / 10.1, 15);
      expect(seen[5]!.signal).toBeCloseTo((0.1 * 5) / 12.1, 14);
      expect(seen.slice(6).map(({ fired }) => fired)).toEqual([false, false, false]);
    });

    test('the second turn needs a new window and a threshold that has decayed', () => {
      const second = (decay: number) =>
        verdicts(parseDetector(`loss-fifo:window=3:turns=2:decay=${decay}`), still(9), losses).map(
          ({ fired }) => fired,
        );
      // The first turn ends after epoch 4 (2 2 2.1), then the window begins anew: 2 2 2 after epoch 7.
      expect(second(0.4).indexOf(true)).toBe(7);
      expect(second(0).indexOf(true)).toBe(7);
      const noisy = [null, 4, 2, 2, 2.1, 2, 2.1, 2, 2.1];
      const at = (decay: number) =>
        verdicts(parseDetector(`loss-fifo:window=3:turns=2:decay=${decay}`), still(9), noisy)
          .map(({ fired }) => fired)
          .indexOf(true);
      expect([at(1), at(0.1)]).toEqual([7, -1]);
    });

    test('the scale is that of the first ten losses', () => {
      const long = [null, ...Array.from({ length: 10 }, (_, i) => 1 + (i % 2) / 2), 101.5];
      const { signal } = verdicts(parseDetector('loss-fifo:window=2:threshold=0'), still(12), long).at(-1)!;
      expect(signal).toBe(100 / 1.25);
    });
  });
});

describe('a watch', () => {
  const losses = (i: number) => (i === 0 ? null : 2 ** -i + 0.5);
  const run = (watch: TicketWatch, from: number, to: number) =>
    masks.slice(from, to).map((bits, i) => watch.observe([{ ratio: 0.5, bits }], from + i, losses(from + i)));

  test.each(['hamming', 'jaccard:threshold=0.9', 'structure:window=2', 'trend', 'loss-fifo:turns=2:decay=0.9'])(
    '%s goes on from its checkpoint as if it had never stopped',
    (text) => {
      const detector = parseDetector(text);
      const whole = new TicketWatch([0.5], layers, detector);
      const wanted = run(whole, 0, masks.length);
      for (let stop = 1; stop < masks.length; stop++) {
        const [first, second] = [new TicketWatch([0.5], layers, detector), new TicketWatch([0.5], layers, detector)];
        const before = run(first, 0, stop);
        second.restore(first.toValue());
        expect([...before, ...run(second, stop, masks.length)]).toEqual(wanted);
        expect(second.tickets).toEqual(whole.tickets);
      }
      expect(whole.tickets.length).toBe(1);
    },
  );
});

describe('detectors as text', () => {
  test.each(['hamming', 'hamming:threshold=0.05:rule=consecutive', 'trend:window=8', 'loss-fifo:decay=1:turns=3'])(
    '%s',
    (text) => expect(detectorText(parseDetector(text))).toBe(text),
  );

  test.each([
    ['hammin', 'give one of hamming, jaccard, structure, trend, loss-fifo.'],
    ['jaccard:rule=reference', 'jaccard has the options window, threshold, as in jaccard:window=3.'],
    ['hamming:window=0', 'give window a whole number, 1 or more.'],
    ['hamming:threshold=', 'give threshold a number, 0 or more.'],
    ['hamming:rule=both', 'give rule=reference or rule=consecutive.'],
  ])('%s is refused', (text, advice) => {
    expect(() => parseDetector(text)).toThrow(`The detector ${text} is not possible: ${advice}`);
  });
});
