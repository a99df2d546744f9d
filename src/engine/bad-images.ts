/** What is said of images that do not decode: one line a pass, with the first few names. */
import type { BadImage } from '../native/types/dataset';

const NAMED = 3;

export function badImagesLine(
  set: 'train' | 'test',
  bad: readonly BadImage[],
  nameOf: (index: number) => string,
): string {
  const named = bad.slice(0, NAMED).map(({ index, reason }) => `${nameOf(index)} (${reason})`);
  const what = set === 'train' ? 'training' : 'test';
  const rest = bad.length > NAMED ? `, and ${bad.length - NAMED} more` : '';
  return `warning: ${bad.length} ${what} ${bad.length === 1 ? 'image does' : 'images do'} not decode and ${bad.length === 1 ? 'was' : 'were'} left out: ${named.join(', ')}${rest}`;
}
