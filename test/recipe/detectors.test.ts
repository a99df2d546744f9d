/** --detector and the options that belong to it. */
import { detectorOf } from '../../src/recipe/detectors';
import { identityOf } from '../../src/recipe/identity';
import { parseRecipe } from '../../src/recipe/recipe';
import { differing, isContinuable } from '../../src/run/changes';

const search = (input: Record<string, unknown>) => parseRecipe('search', input);
const identity = (input: Record<string, unknown>) => identityOf('search', search(input));

test('each has defaults of its own, which what is given replaces', () => {
  expect(detectorOf(search({}))).toEqual({
    name: 'hamming',
    settings: { window: 5, threshold: 0.1, rule: 'reference' },
  });
  expect(detectorOf(search({ detector: 'jaccard', detectorWindow: 2 }))).toEqual({
    name: 'jaccard',
    settings: { window: 2, threshold: 0.999 },
  });
  expect(detectorOf(search({ detector: 'trend', detectorWindow: undefined }))).toEqual({
    name: 'trend',
    settings: { window: 10, threshold: 0.05, smooth: 3 },
  });
  expect(parseRecipe('train', { detector: 'loss-fifo', detectorTurns: 2 })).toMatchObject({
    detectorThreshold: 0.15,
    detectorDecay: 0.4,
    detectorTurns: 2,
  });
  // A recipe that is complete stays as it is.
  const complete = search({ detector: 'structure', detectorThreshold: 0.9 });
  expect(search({ ...complete })).toEqual(complete);
});

test('runs of before are those of hamming', () => {
  expect(Object.keys(identity({})).filter((key) => key.startsWith('detector'))).toEqual([
    'detectorWindow',
    'detectorThreshold',
    'detectorRule',
  ]);
  expect(identity({ detector: 'hamming' })).toEqual(identity({}));
});

test('a search goes on with another detector, without training anything again', () => {
  const [before, now] = [identity({}), identity({ detector: 'loss-fifo' })];
  expect(differing(before, now)).toEqual(expect.arrayContaining(['detector', 'detectorThreshold', 'detectorDecay']));
  expect(isContinuable(before, now)).toBe(true);
  expect(isContinuable(before, identity({ detector: 'loss-fifo', lr: 0.2 }))).toBe(false);
  // A key of a damaged params.json that every object has something under.
  const damaged = Object.assign(JSON.parse('{"__proto__": 1, "constructor": 2}'), before);
  expect(isContinuable(damaged, now)).toBe(false);
});

test.each([
  [{ detectorSmooth: 2 }, '--detector-smooth does nothing with --detector hamming'],
  [{ detector: 'jaccard', detectorRule: 'consecutive' }, '--detector-rule does nothing with --detector jaccard'],
  [{ detector: 'trend', detectorDecay: 1 }, '--detector-decay does nothing with --detector trend'],
  [{ detector: 'hammin' }, '--detector hammin is not possible: give one of hamming, jaccard'],
  [
    { detector: 'trend', epochs: 12, stopAtTicket: true },
    '--detector-window 10 needs the masks of 13 epochs, so that no ticket can emerge within --epochs 12',
  ],
])('%j is refused', (input, message) => {
  expect(() => search(input)).toThrow(message);
});
