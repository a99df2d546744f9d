/** Golden blocks, tensors and convolutions of the MX formats and NVFP4 (docs/low-precision.md). */
import type { MxFormat, MxFormatOptions, MxRounding, MxScale, MxTensor } from '../../src/native/types/mx';
import type { TensorData } from '../../src/tensor';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { elements, floatsOf, floatsOfHex, floatTensor, hexOfFloat } from './lib/tensors';

/** 2 digits of hexadecimal for each scale byte and code, 8 for each float32. */
interface BlocksJson {
  format: MxFormat;
  names: string[];
  x: string[];
  /** Results by scale rule and rounding, such as `floor/even`. */
  quantised: Record<string, { scale: string; codes: string[]; back: string[] }>;
}

interface TensorsJson {
  format: MxFormat;
  rounding: MxRounding;
  cases: { name: string; x: string; tensor_scale: string; scale: string; codes: string; back: string }[];
}

type TensorJson = TensorsJson['cases'][number];

interface StochasticJson {
  scale: MxScale;
  rounding: MxRounding;
  cases: (TensorJson & { format: MxFormat; key: Record<'seed' | 'epoch' | 'step' | 'lane', number> })[];
}

interface ConvolutionsJson {
  scale: MxScale;
  rounding: MxRounding;
  cases: ConvolutionJson[];
  /** Results by format, one for each case; 16 digits a float64. */
  results: Record<string, Record<'y' | 'dx' | 'dw', string>[]>;
}

type ConvolutionJson = { name: string; stride: number; pad: number; groups: number } & Record<
  'x' | 'w' | 'dy',
  string
> &
  Record<'x_shape' | 'w_shape' | 'dy_shape', number[]>;

const NAN_BYTE = 255;
/** NVFP4 multiplies by scales of many bits: the order of a sum may change its last bits. */
const NVFP4_TOLERANCE = 2 ** -48;

/** Every block of a format under one scale rule and rounding: scale bytes, codes and values, to the bit. */
export const blocks = (file: string) => ({
  *cases(context: Context): Iterable<Case> {
    const json = context.reference.json<BlocksJson>(file);
    for (const kind of Object.keys(json.quantised))
      yield { name: `mx ${json.format} ${kind}`, run: () => checkBlocks(context, json, kind) };
  },
});

async function checkBlocks({ addon }: Context, json: BlocksJson, kind: string): Promise<string> {
  const checks = new Checks();
  const [scale, rounding] = kind.split('/') as [MxScale, MxRounding];
  const { scale: bytes, codes, back } = json.quantised[kind]!;
  checks.equal('blocks', [bytes.length / 2, codes.length, back.length], Array(3).fill(json.x.length));
  // Blocks of one length go through the kernel side by side, once along neighbouring values and once across them.
  const lengths = new Map<number, number[]>();
  for (const [i, x] of json.x.entries()) lengths.set(x.length, [...(lengths.get(x.length) ?? []), i]);
  for (const [digits, members] of lengths) {
    const length = digits / 8;
    const rows = floatsOfHex(members.map((i) => json.x[i]).join(''));
    for (const across of [false, true]) {
      const [values, shape] = across
        ? [transposed(rows, members.length), [length, members.length]]
        : [rows, [members.length, length]];
      const options = { format: json.format, scale, rounding, dim: across ? 0 : 1 };
      const got = await addon.mxQuantize(floatTensor(values, shape), options);
      const order = <T extends Uint8Array | Float32Array>(found: T): T => (across ? transposed(found, length) : found);
      const [gotCodes, gotValues] = [order(got.codes.data), order(floatsOf(got.values))];
      members.forEach((i, row) => {
        const [begin, end] = [row * length, (row + 1) * length];
        const want = { scale: bytes.slice(2 * i, 2 * i + 2), codes: codes[i]!, back: back[i]! };
        const result = { scale: got.scale.data.subarray(row, row + 1), codes: gotCodes.subarray(begin, end) };
        same(checks, `${json.names[i] ?? i}`, { ...result, values: gotValues.subarray(begin, end) }, want);
      });
    }
  }
  return checks.done();
}

/** The columns of a matrix of `rows` rows as rows. */
function transposed<T extends Uint8Array | Float32Array>(values: T, rows: number): T {
  const columns = values.length / rows;
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!) as T;
}

function same(
  checks: Checks,
  name: string,
  got: { scale: Uint8Array; codes: Uint8Array; values: Float32Array },
  want: { scale: string; codes: string; back: string },
): void {
  checks.equal(`${name}: scale`, hexOf(got.scale), want.scale);
  // Judges differ in the codes of a block that is not a number, and nothing reads them.
  if (Number.parseInt(want.scale, 16) !== NAN_BYTE) checks.equal(`${name}: codes`, hexOf(got.codes), want.codes);
  checks.equal(`${name}: values`, hexOfFloats(got.values), hexOfFloats(floatsOfHex(want.back)));
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Writes every NaN alike. */
const hexOfFloats = (values: Float32Array) =>
  Array.from(values, (value) => (Number.isNaN(value) ? 'nan' : hexOfFloat(value))).join(' ');

function sameTensor(checks: Checks, got: MxTensor, want: TensorJson): void {
  const [scale, wanted] = [Float32Array.of(got.tensorScale), floatsOfHex(want.tensor_scale)];
  checks.equal('tensor scale', hexOfFloats(scale), hexOfFloats(wanted));
  same(checks, 'tensor', partsOf(got), want);
}

/** Whole tensors in NVFP4. */
export const tensors = {
  *cases(context: Context): Iterable<Case> {
    const { format, rounding, cases } = context.reference.json<TensorsJson>('nvfp4.json');
    for (const one of cases)
      yield {
        name: `mx ${format} ${rounding} ${one.name}`,
        run: async () => {
          const checks = new Checks();
          const x = floatsOfHex(one.x);
          for (const shape of [[x.length], [x.length, 1]]) {
            const got = await context.addon.mxQuantize(floatTensor(x, shape), { format, scale: 'floor', rounding });
            sameTensor(checks, got, one);
          }
          return checks.done();
        },
      };
  },
};

/** Whole tensors rounded by random bits that follow from a key: by the kernel and by its plain twin. */
export const stochastic = {
  *cases(context: Context): Iterable<Case> {
    const { scale, rounding, cases } = context.reference.json<StochasticJson>('stochastic.json');
    for (const { format, key, ...one } of cases)
      yield {
        name: `mx ${format} ${scale}/${rounding} ${one.name}`,
        run: async () => {
          const checks = new Checks();
          const x = floatsOfHex(one.x);
          for (const plain of [false, true]) {
            const options = { format, scale, rounding, plain, ...key };
            const got = await context.addon.mxQuantize(floatTensor(x, [x.length]), options);
            sameTensor(checks, got, one);
          }
          return checks.done();
        },
      };
  },
};

const partsOf = ({ scale, codes, values }: MxTensor) => ({
  scale: scale.data,
  codes: codes.data,
  values: floatsOf(values),
});

/** The three products of a convolution, each operand rounded along the axis of the sum. */
export const convolutions = {
  *cases(context: Context): Iterable<Case> {
    const { scale, rounding, cases, results } = context.reference.json<ConvolutionsJson>('conv.json');
    for (const [format, products] of Object.entries(results))
      for (const [i, one] of cases.entries())
        yield {
          name: `mx conv ${one.name} ${format}`,
          run: () => checkProducts(context, one, { format: format as MxFormat, scale, rounding }, products[i]!),
        };
  },
};

async function checkProducts(
  { addon }: Context,
  { x, x_shape, w, w_shape, dy, dy_shape, stride, pad, groups }: ConvolutionJson,
  format: MxFormatOptions,
  want: Record<'y' | 'dx' | 'dw', string>,
): Promise<string> {
  const checks = new Checks();
  const tensor = (hex: string, shape: number[]) => floatTensor(floatsOfHex(hex), shape);
  const got = await addon.mxConvolution(tensor(x, x_shape), tensor(w, w_shape), tensor(dy, dy_shape), {
    ...format,
    stride,
    padding: pad,
    groups,
  });
  for (const name of ['y', 'dx', 'dw'] as const) {
    const [actual, expected] = [doublesOf(got[name]), doublesOfHex(want[name])];
    checks.equal(`${name}: values`, actual.length, expected.length);
    checks.equal(`${name}: shape`, elements(got[name].shape), expected.length);
    const largest = expected.reduce((a, b) => Math.max(a, Number.isFinite(b) ? Math.abs(b) : 0), 0);
    expected.forEach((value, i) => {
      if (format.format === 'nvfp4' && Number.isFinite(value))
        checks.within(`${name} [${i}]`, Math.abs(actual[i]! - value), NVFP4_TOLERANCE * largest);
      else checks.equal(`${name} [${i}]`, actual[i], value);
    });
  }
  return checks.done();
}

function doublesOf({ dtype, data }: TensorData): number[] {
  if (dtype !== 'float64') throw new Error(`expected a float64 tensor, got ${dtype}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

function doublesOfHex(hex: string): number[] {
  const bytes = Buffer.from(hex, 'hex');
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleBE(8 * i));
}
