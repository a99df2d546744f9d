/** Training in MX formats and NVFP4 from the command line: runs, resumes, tickets, and refusals. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Dict, Value } from '../../src/checkpoint/value';
import { FORMATS } from '../../src/recipe/precision';
import { cli, describeTrained, succeed } from './run-cli';
import { differences, EAGER, metricsOf, outcomeOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

const search = (save: string, epochs: number, ...more: string[]) =>
  succeed(['search', ...TINY, ...EAGER, '--epochs', String(epochs), '--save', at(save), ...more]);
const entryOf = (value: Value, key: string) => (value as Dict).get(key) as Dict;
const formatsIn = async (...names: string[]) =>
  entryOf((await readCheckpoint(at(...names))).value, 'earlybird').get('formats') as Dict | null;

describeTrained('every format', () => {
  const losses = new Map<string, number>();
  beforeAll(async () => {
    await search('full', 1);
    losses.set('full', metricsOf(at('full'))[0]!.train.loss!);
  });

  test.each(FORMATS.filter((name) => name !== 'full'))(
    '%s trains, and goes on as if it had not stopped',
    async (format) => {
      await search(`${format}-whole`, 2, '--format', format);
      await search(format, 1, '--format', format);
      await search(format, 2, '--format', format);
      const [whole, resumed] = [outcomeOf(at(`${format}-whole`)), outcomeOf(at(format))];
      // The file of the first epoch also holds the recipe, which then had one epoch.
      expect(differences(whole, resumed).filter((name) => name !== 'ckpt0.pth.tar')).toEqual([]);
      const named = await formatsIn(format, 'checkpoint.pth.tar');
      expect(named!.get('weight')).toBe(format === 'bfp8' ? 8 : format);
      const loss = metricsOf(at(format))[0]!.train.loss!;
      expect([...losses.values()]).not.toContain(loss);
      losses.set(format, loss);
    },
  );

  test('another format, scale or rounding for the same folder is refused', async () => {
    await search('mine', 1, '--format', 'mxfp4', '--format-error', 'mxfp8-e5m2');
    const refused = async (...more: string[]) => {
      const args = ['search', ...TINY, ...EAGER, '--epochs', '1', '--save', at('mine'), ...more];
      const { status, stderr } = await cli(args).done;
      expect([status, stderr]).toEqual([2, expect.stringMatching(/holds a run with another recipe.*\[ERR_RECIPE\]/)]);
      return stderr;
    };
    const mine = ['--format', 'mxfp4', '--format-error', 'mxfp8-e5m2'];
    expect(await refused('--format', 'mxfp4')).toContain('--format-error');
    expect(await refused(...mine, '--scale', 'rceil')).toContain('--scale');
    expect(await refused(...mine, '--rounding', 'away')).toContain('--rounding');
    expect(await refused(...mine, '--master-weights', 'format')).toContain('--master-weights');
    await succeed(['search', ...TINY, ...EAGER, '--epochs', '1', '--save', at('mine'), ...mine, '--scale', 'floor']);
  });

  test('a run and its report say them', async () => {
    const formats = 'weight mxint8, activate mxint8, grad mxint8, error mxint8, momentum -1, scale rceil, away';
    const more = ['--format', 'mxint8', '--scale', 'rceil', '--rounding', 'away', '--report', 'true'];
    const { stderr } = await search('said', 1, ...more);
    expect(stderr).toContain(`low precision: ${formats}`);
    expect(readFileSync(at('said', 'report', 'index.html'), 'utf8')).toContain(formats);
  });

  test('weights without a full-precision copy are in their format', async () => {
    await search('kept', 1, '--format', 'mxint8', '--master-weights', 'format');
    const state = entryOf((await readCheckpoint(at('kept', 'checkpoint.pth.tar'))).value, 'state_dict');
    const weight = state.get('feature.0.0.weight') as { data: Uint8Array };
    const values = new Float32Array(Uint8Array.from(weight.data).buffer);
    // Blocks of three input channels: each value is a whole number of 64ths of a power of two, so its low bits are 0.
    const bits = new Uint32Array(values.buffer);
    expect(bits.every((value) => (value & 0xffff) === 0)).toBe(true);
    expect(values.some((value) => value !== 0)).toBe(true);
  });
});

describeTrained('EB Train', () => {
  test.each([
    ['lf', 'mxfp8-e4m3', null],
    ['ll', 'nvfp4', 'nvfp4'],
  ] as const)(
    '--variant %s --format %s',
    async (variant, format, retrain) => {
      const args = [...TINY, ...EAGER, '--epochs', '3', '--measure', 'false', '--variant', variant, '--format', format];
      await succeed(['train', ...args, '--save', at(variant)]);
      const weightIn = async (...names: string[]) => (await formatsIn(variant, ...names))?.get('weight') ?? null;
      expect(await weightIn('search', 'EB-30-2.pth.tar')).toBe(format);
      expect(await weightIn('pruned_3002_0.3', 'pruned.pth.tar')).toBe(retrain);
      expect(await weightIn('retrain_3002_0.3', 'checkpoint.pth.tar')).toBe(retrain);
    },
    60_000,
  );

  test('a test takes the formats from the file, and full precision where it is asked for', async () => {
    const file = at('ll', 'retrain_3002_0.3', 'checkpoint.pth.tar');
    const evaluate = async (...more: string[]) => {
      const common = ['--dataset', 'synthetic', '--limit-test', '64', '--device', 'cpu'];
      const { stdout } = await succeed(['evaluate', ...common, '--resume', file, ...more]);
      return stdout;
    };
    expect(await evaluate()).toContain('low precision: weight nvfp4, activate nvfp4, grad nvfp4, error nvfp4');
    expect(await evaluate('--format', 'full')).not.toContain('low precision');
    expect(await evaluate('--format-weight', 'mxint8')).toContain('weight mxint8, activate nvfp4');
  });
});
