import { existsSync } from 'node:fs';
import { loadAddon } from '../../src/native/addon';
import { formatsFolder, mxFolder, partFolder, wholeFolder } from '../support/golden';
import { itemsOf } from './items';
import { Context } from './lib/networks';
import { Reference } from './lib/reference';
import { lineOf, type Outcome, outcomes } from './run';

const MINUTES = 60_000;

const folders = {
  'the part in test/fixtures': partFolder,
  'the whole reference': wholeFolder,
  'number formats in test/fixtures': formatsFolder,
  'all number formats': mxFolder,
};

for (const [name, dir] of Object.entries(folders)) {
  if (!existsSync(dir)) {
    process.stderr.write(`parity with ${name} is skipped: there is no ${dir}\n`);
    continue;
  }
  describe(`parity with ${name}`, () => {
    const context = new Context(new Reference(dir), () => loadAddon({ device: 'cpu' }));
    test.each([...itemsOf((file) => context.reference.has(file))])(
      '$name',
      async (item) => {
        const failed: string[] = [];
        const skipped: Outcome[] = [];
        for await (const outcome of outcomes(item, context)) {
          if (outcome.status === 'FAIL') failed.push(lineOf(outcome));
          if (outcome.status === 'skip') skipped.push(outcome);
        }
        const reasons = new Set(skipped.map(({ remark }) => remark));
        if (skipped.length > 0)
          process.stderr.write(`${item.name}: ${skipped.length} skipped (${[...reasons].join('; ')})\n`);
        expect(failed).toEqual([]);
      },
      10 * MINUTES,
    );
  });
}
