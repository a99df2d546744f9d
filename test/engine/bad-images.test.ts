import { badImagesLine } from '../../src/engine/bad-images';

const bad = (count: number) => Array.from({ length: count }, (_, index) => ({ index, reason: 'cut short' }));
const nameOf = (index: number) => `train/a/${index}.JPEG`;

test('one line, with the first names', () => {
  expect(badImagesLine('train', bad(1), nameOf)).toBe(
    'warning: 1 training image does not decode and was left out: train/a/0.JPEG (cut short)',
  );
  expect(badImagesLine('test', bad(5), nameOf)).toMatch(
    /^warning: 5 test images do not decode and were left out: .*train\/a\/2\.JPEG \(cut short\), and 2 more$/,
  );
});
