import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import { type Entry, type Kind, layoutOf, valuesOf } from './lib/fill';
import { type Context, gainOf } from './lib/networks';
import type { Seed } from './lib/random';
import type { SpecJson } from './lib/reference';
import { SUM_TOLERANCE, sumsOf } from './lib/tensors';

interface LayoutsJson {
  models: Record<
    string,
    { model: SpecJson; seed: Seed; tensors: string[]; check_sums_float64: Record<string, number> }
  >;
}

/** Names, order, shapes and kinds of every state dict, and the sums of the generator's values in it. */
export function* cases(context: Context): Iterable<Case> {
  const { models } = context.reference.json<LayoutsJson>('layouts.json');
  for (const [name, layout] of Object.entries(models)) {
    const listed = layout.tensors.map(parseRow);
    yield {
      name: `layouts ${name} sums`,
      run: () => {
        const checks = new Checks();
        for (const [key, expected] of Object.entries(layout.check_sums_float64)) {
          const entry = listed.find((row) => row.key === key);
          if (!entry) throw new Error(`no row for '${key}'`);
          const { sum, absSum } = sumsOf(valuesOf(entry, layout.seed));
          checks.within(key, Math.abs(sum - expected) / absSum, SUM_TOLERANCE);
        }
        return checks.done();
      },
    };
    yield {
      name: `layouts ${name} state dict`,
      run: async () => {
        const model = await context.create(layout.model);
        const ours = layoutOf(await model.stateDict(), gainOf(layout.model.arch));
        model.dispose();
        const checks = new Checks();
        checks.equal(
          'keys',
          ours.map(({ key }) => key),
          listed.map(({ key }) => key),
        );
        for (const [i, entry] of ours.entries()) checks.equal(entry.key, entry, listed[i]);
        return checks.done();
      },
    };
  }
}

/** `key; shape (x-separated, s = scalar); kind; c or -; ordinal or -` */
function parseRow(row: string): Entry {
  const [key, shape, kind, c, ordinal] = row.split(';');
  const optional = (text: string | undefined) => (text === '-' ? undefined : Number(text));
  return {
    key: key!,
    shape: shape === 's' ? [] : shape!.split('x').map(Number),
    kind: kind as Kind,
    c: optional(c),
    ordinal: optional(ordinal),
  };
}
