/** One warning line per pass for images that do not decode, with the first few names. */
import type { BadImage } from '../native/types/dataset';

const NAMED = 3;

export function badImagesLine(
  set: 'train' | 'test',
  bad: readonly BadImage[],
  nameOf: (index: number) => string,
): string {
  const named = bad.slice(0, NAMED).map(({ index, reason }) => `${nameOf(index)} (${reason})`);
  const what = set === 'train' ? 'training' : 'test';
  const [images, were] = bad.length === 1 ? ['image does', 'was'] : ['images do', 'were'];
  const rest = bad.length > NAMED ? `, and ${bad.length - NAMED} more` : '';
  return `warning: ${bad.length} ${what} ${images} not decode and ${were} left out: ${named.join(', ')}${rest}`;
}
