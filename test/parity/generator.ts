import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import { centred, fillHigh, gammaModes, labelOf, ORDINAL, type Seed, stream, uniform } from './lib/random';
import { hexOfFloat } from './lib/tensors';

type SampleJson = { seed: Seed; ordinal: number; index: number } & Record<string, string | number>;

interface GeneratorJson {
  samples: SampleJson[];
  ordinals: Record<string, number>;
  gamma_modes: string[];
}

/** Worked values of the generator, on which everything else here rests. */
export function* cases({ reference }: Context): Iterable<Case> {
  const file = reference.json<GeneratorJson>('generator.json');
  for (const sample of file.samples) {
    yield {
      name: `generator seed ${sample.seed} ordinal ${sample.ordinal} index ${sample.index}`,
      run: () => check(sample),
    };
  }
  yield {
    name: 'generator ordinals and gamma modes',
    run: () => {
      const checks = new Checks();
      checks.equal('ordinals', ORDINAL, file.ordinals);
      checks.equal('gamma modes', gammaModes, file.gamma_modes);
      return checks.done();
    },
  };
}

function check(sample: SampleJson): string {
  const { seed, ordinal, index } = sample;
  const high = new Uint32Array(1);
  const low = new Uint32Array(1);
  fillHigh(high, seed, ordinal, index, low);
  const z = (BigInt(high[0]!) << 32n) | BigInt(low[0]!);
  const k24 = high[0]! >>> 8;
  const at = (values: Float32Array): number => values[index]!;

  const computed: Record<string, () => string | number> = {
    stream_hex: () => stream(seed, ordinal).toString(16).padStart(16, '0'),
    z_hex: () => z.toString(16).padStart(16, '0'),
    k24: () => k24,
    u: () => at(uniform(index + 1, seed, ordinal)),
    bn_bias: () => at(centred(index + 1, seed, ordinal, 0.2)),
    bn_var: () => at(uniform(index + 1, seed, ordinal, 0.5)),
    byte: () => high[0]! >>> 24,
  };
  const checks = new Checks();
  let conv: number | undefined;
  for (const [field, expected] of Object.entries(sample)) {
    const scale = /_c([\d.]+)$/.exec(field)?.[1];
    const classes = /^label_of_(\d+)$/.exec(field)?.[1];
    if (scale !== undefined) {
      const value = at(centred(index + 1, seed, ordinal, Number(scale)));
      if (field.startsWith('conv')) conv = value;
      checks.equal(field, value, Math.fround(expected as number));
    } else if (classes !== undefined) {
      checks.equal(field, labelOf(k24, Number(classes)), expected);
    } else if (field === 'conv_hex') {
      checks.equal(field, conv === undefined ? undefined : hexOfFloat(conv), expected);
    } else if (computed[field]) {
      const value = computed[field]();
      checks.equal(field, value, typeof expected === 'number' && field !== 'k24' ? Math.fround(expected) : expected);
    } else if (field.endsWith('_hex')) {
      checks.equal(field, hexOfFloat(computed[field.slice(0, -4)]!() as number), expected);
    }
  }
  return checks.done();
}
