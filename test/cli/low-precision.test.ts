/** The low-precision scripts in order on a tiny subset, and full and low precision reading each other's files. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import { type Dict, isDict } from '../../src/checkpoint/value';
import type { PruneReport } from '../../src/prune/report';
import type { RunResult } from '../../src/run/result';
import { cli, describeTrained, root, start, succeed } from './run-cli';
import { EAGER, metricsOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
const run = 'baseline/lp_vgg16-cifar10';
const training = TINY.slice(TINY.indexOf('--batch-size'));
const subset = [...TINY.slice(0, TINY.indexOf('--arch')), ...training, '--depth', '11'];
const narrow = TINY.slice(TINY.indexOf('--cfg'), TINY.indexOf('--batch-size'));
const runtime = ['--device', 'cpu', '--threads', '1'];
const WORD_LENGTHS = ['--wl-weight', '--wl-activate', '--wl-grad', '--wl-error', '--wl-momentum'];
const bits = (length: number) => WORD_LENGTHS.flatMap((name) => [name, String(length)]);

const keysOf = async (...names: string[]) => {
  const state = ((await readCheckpoint(at(...names))).value as Dict).get('state_dict');
  return isDict(state) ? [...state.keys()] : [];
};
const formatsOf = async (...names: string[]) => {
  const extras = ((await readCheckpoint(at(...names))).value as Dict).get('earlybird') as Dict;
  const formats = extras.get('formats');
  return isDict(formats) ? formats.get('weight') : formats;
};

describeTrained('the scripts of scripts/low-precision', () => {
  const script = async (name: string, ...args: string[]) => {
    const { status, stderr, stdout } = await start(
      'bash',
      [join(root, 'scripts', 'low-precision', name), ...args, ...runtime],
      { cwd: folder.path },
    ).done;
    expect([name, status, status === 0 ? '' : stderr]).toEqual([name, 0, '']);
    return { stdout, stderr };
  };
  const columns = (file: string) =>
    readFileSync(at(file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(',').length);

  test('search, prune, retrain', async () => {
    const tests = ['--test-rounding', 'nearest'];
    const search = await script(
      'search.sh',
      ...subset,
      ...narrow,
      ...tests,
      '--epochs',
      '4',
      ...EAGER,
      '--swa_start',
      '2',
    );
    expect(search.stdout).toMatch(/^SWA: top-1 \d+\.\d\d%, mean of 2 epochs in full precision/m);
    expect(columns(join(run, 'record.txt'))).toEqual([4, 4, 4, 4]);
    expect(metricsOf(at(run)).map(({ swa }) => swa?.n)).toEqual([undefined, undefined, 1, 2]);
    expect(await keysOf(run, 'EB-30-2.pth.tar')).toContain('feature.0.0.weight');
    expect(await keysOf(run, 'swa.pth.tar')).toContain('feature.0.weight');
    expect(await formatsOf(run, 'ckpt3.pth.tar')).toBe(8);

    await script('prune.sh', '--depth', '11');
    const ticket = `${run}/lp_pruned_0.3/pruned.pth.tar`;
    expect(await keysOf(ticket)).toContain('feature.0.0.weight');
    expect(await formatsOf(ticket)).toBe(8);

    await script('retrain_continue.sh', ...subset, '--epochs', '3', '--swa_start', '2');
    expect(columns(`${run}/lp_retrain_0.3/record.txt`)).toEqual([4, 4, 4]);
    expect(existsSync(at(run, 'lp_retrain_0.3', 'swa.pth.tar'))).toBe(true);
    await script('retrain_scratch.sh', ...subset, '--epochs', '1', '--swa_start', '0');
    expect(await formatsOf(run, 'lp_retrain_0.3_scratch', 'swa.pth.tar')).toBeNull();
  }, 300_000);

  test('evaluate takes the word lengths from the file, and the average in full precision', async () => {
    const images = TINY.filter((_, i) => i < TINY.indexOf('--schedule'));
    const top1 = async (file: string, ...more: string[]) => {
      const { stdout } = await succeed([
        'evaluate',
        ...images,
        ...runtime,
        '--resume',
        at(run, file),
        ...more,
        '--json',
      ]);
      return JSON.parse(stdout);
    };
    const last = metricsOf(at(run)).at(-1)!;
    expect(await top1('ckpt3.pth.tar', '--test-rounding', 'nearest')).toMatchObject({
      top1: last.test.top1,
      lowPrecision: { weight: 8, rounding: 'nearest' },
    });
    expect(await top1('swa.pth.tar')).toMatchObject({ top1: last.swa!.top1, lowPrecision: null });
  });

  test('checkpoints and stored masks give the same matrix', async () => {
    await succeed(['distance', '--save', at(run), '--percent', '0.3', '--from', 'masks']);
    const fromMasks = readFileSync(at(run, 'overlap_0.3.npy'));
    await succeed(['distance', '--save', at(run), '--percent', '0.3', '--from', 'checkpoints']);
    expect(readFileSync(at(run, 'overlap_0.3.npy')).equals(fromMasks)).toBe(true);
  });

  test('--protective keeps the channels above the 90 % point of their layer', async () => {
    // Gammas of early layers are small, so that the mask alone would empty these.
    const model = at('distinct.pth.tar');
    const { value } = await readCheckpoint(at(run, 'ckpt3.pth.tar'));
    const state = stateDictOf(value);
    const norms = [...state.keys()].filter((key) => key.endsWith('.running_var'));
    const gammas = norms.map((key, layer) => {
      const name = key.replace('running_var', 'weight');
      const gamma = Float32Array.from({ length: state.get(name)!.shape[0]! }, (_, i) => (layer + 1) ** 2 * (i + 1));
      state.set(name, { ...state.get(name)!, data: new Uint8Array(gamma.buffer) });
      return gamma;
    });
    await writeCheckpoint(model, new Map([...(value as Dict), ['state_dict', stateDictValue(state)]]));
    const prune = async (name: string, ...more: string[]) => {
      const common = ['--model', model, '--percent', '0.7', '--measure', 'false', ...runtime];
      const { stdout } = await succeed(['prune', ...common, '--save', at(name), '--json', ...more]);
      return JSON.parse(stdout) as PruneReport;
    };
    const [plain, safe] = [await prune('plain'), await prune('safe', '--protective')];
    expect([plain.protective, safe.protective]).toEqual([false, true]);

    const ranked = gammas.map((layer) => layer.slice().sort());
    const lowest = (layer: Float32Array) => Math.trunc(0.9 * layer.length);
    const pool = Float32Array.from(ranked.flatMap((layer) => [...layer.subarray(0, lowest(layer))])).sort();
    const threshold = pool[Math.min(Math.trunc(safe.channels * 0.7), pool.length - 1)]!;
    const kept = gammas.map((layer, i) => {
      const own = ranked[i]![lowest(layer)]!;
      return layer.filter((gamma) => gamma > threshold || gamma > own).length;
    });
    expect(safe.layers.map((layer) => layer.kept - layer.clamped)).toEqual(kept);
    expect(Math.min(...kept)).toBeGreaterThan(0);
    expect(plain.layers.some(({ clamped }) => clamped > 0)).toBe(true);

    const refused = await cli(['prune', '--model', 'x', '--protective', '--percent', '0.95']).done;
    expect([refused.status, refused.stderr.includes('[ERR_RECIPE]')]).toEqual([2, true]);
  });

  test('a file as the reference writes it, without momentum and word lengths, is resumed in either precision', async () => {
    const value = (await readCheckpoint(at(run, 'ckpt1.pth.tar'))).value as Dict;
    const optimizer = new Map([...(value.get('optimizer') as Dict), ['state', new Map()]]);
    const theirs = [...value].filter(([key]) => key !== 'earlybird');
    await writeCheckpoint(at('released.pth.tar'), new Map([...theirs, ['optimizer', optimizer]]));
    const resumed = [...TINY, '--epochs', '3', '--resume', at('released.pth.tar')];
    await succeed(['search', ...resumed, ...bits(8), '--save', at('resumed-low')]);
    await succeed(['search', ...resumed, '--save', at('resumed-full')]);
    expect(metricsOf(at('resumed-low')).map(({ completed }) => completed)).toEqual([3]);
    expect(await formatsOf('resumed-low', 'checkpoint.pth.tar')).toBe(8);
    expect(await keysOf('resumed-full', 'checkpoint.pth.tar')).toContain('feature.0.weight');
  });

  test('a ticket of one precision is trained in the other', async () => {
    const again = async (save: string, ticket: string, ...more: string[]) => {
      const from = ['--scratch', at(ticket, 'pruned.pth.tar'), '--start-epoch', '1'];
      const args = [...from, '--epochs', '2', '--save', at(save), '--json'];
      const { stdout } = await succeed(['retrain', ...subset.slice(0, -2), ...args, ...more]);
      expect((JSON.parse(stdout) as RunResult).completed).toBe(2);
      return formatsOf(save, 'checkpoint.pth.tar');
    };
    expect(await again('to-full', 'plain', ...bits(-1))).toBeNull();
    await succeed(['prune', '--model', at('to-full', 'checkpoint.pth.tar'), '--save', at('full-again'), ...runtime]);
    expect(await formatsOf('full-again', 'pruned.pth.tar')).toBeNull();
    expect(await keysOf('full-again', 'pruned.pth.tar')).toContain('feature.0.weight');
    expect(await again('to-low', 'full-again', ...bits(8))).toBe(8);
  });
});

describeTrained('EB Train', () => {
  test.each([
    ['ff', null, null],
    ['lf', 8, null],
    ['ll', 8, 8],
  ] as const)('--variant %s', async (variant, search, retrain) => {
    const save = `train-${variant}`;
    const args = [
      ...TINY,
      ...EAGER,
      '--epochs',
      '3',
      '--measure',
      'false',
      '--variant',
      variant,
      '--swa',
      '--swa_start',
      '2',
    ];
    const { stdout } = await succeed(['train', ...args, '--save', at(save), '--json']);
    const { retrain: ticket, summary } = JSON.parse(stdout);
    expect(ticket.swa).toMatchObject({ n: 1, top1: summary[1].top1Swa });
    expect(await formatsOf(save, 'search', 'EB-30-2.pth.tar')).toBe(search);
    expect(await formatsOf(save, 'pruned_3002_0.3', 'pruned.pth.tar')).toBe(retrain);
    expect(await formatsOf(save, 'retrain_3002_0.3', 'checkpoint.pth.tar')).toBe(retrain);
  });
});
