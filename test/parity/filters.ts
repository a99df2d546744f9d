import { readNpy } from '../../src/checkpoint/npy';
import type { FilterSpec } from '../../src/native/types/dataset';
import type { TensorData } from '../../src/tensor';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';

interface RowJson {
  image: string;
  filter: FilterSpec['kind'];
  sigma: number;
  /** A path, and after it perhaps a remark. */
  file: string;
}

/** The brightest pixel of a high-pass image may come out one lower, by the last bit of the rescale. */
const HIGHPASS_PIXELS = 2;

/** Low-pass exactly; high-pass exactly but for two pixels by one. */
export function* cases(context: Context): Iterable<Case> {
  for (const row of context.reference.json<{ rows: RowJson[] }>('filters.json').rows) {
    yield { name: `filters ${row.image} ${row.filter} sigma ${row.sigma}`, run: () => check(context, row) };
  }
}

async function check(context: Context, { image, filter: kind, sigma, file }: RowJson): Promise<string> {
  const { reference } = context;
  const input = await readNpy(reference.path(`filters/${image}_input.npy`));
  const [height, width, channels] = input.shape;
  if (channels !== 3) throw new Error(`${image}_input.npy is not an image of three channels`);
  const output = await context.addon.filterImages(input.data, [1, height!, width!, 3], { kind, sigma });
  const expected = inThreeChannels(await readNpy(reference.path(file.split(' ')[0]!)));

  const checks = new Checks();
  checks.equal('bytes', output.length, expected.length);
  const different = new Set<number>();
  let largest = 0;
  for (const [i, value] of output.entries()) {
    const d = Math.abs(value - expected[i]!);
    if (d > 0) different.add(Math.floor(i / 3));
    largest = Math.max(largest, d);
  }
  checks.within('pixels that differ', different.size, kind === 'highpass' ? HIGHPASS_PIXELS : 0);
  checks.within('largest difference', largest, kind === 'highpass' ? 1 : 0);
  return checks.done(different.size === 0 ? 'exact' : `${different.size} pixels differ by ${largest}`);
}

/** A file of one channel stands for three equal ones. */
function inThreeChannels({ shape, data }: TensorData): Uint8Array {
  if (shape.length === 3) return data;
  return Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!);
}
