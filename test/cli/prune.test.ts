import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { PruneReport } from '../../src/prune/report';
import { cli, describeTrained, succeed } from './run-cli';
import { EAGER, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const training = TINY.slice(TINY.indexOf('--batch-size'));
const images = TINY.slice(0, TINY.indexOf('--arch'));

describeTrained('prune', () => {
  const model = at('search', 'ckpt0.pth.tar');
  const prune = async (name: string, ...args: string[]) => {
    const common = ['--model', model, '--percent', '0.5', '--save', at(name), '--device', 'cpu', '--threads', '1'];
    const { stdout } = await succeed(['prune', ...common, ...args, '--json']);
    return JSON.parse(stdout) as PruneReport;
  };

  beforeAll(async () => {
    const network = ['--arch', 'resnet', '--depth', '11', '--epochs', '1'];
    await succeed(['search', ...images, ...network, ...training, '--save', at('search')]);
  });

  test('reports what is gone and what a step takes', async () => {
    const report = await prune('default');
    expect(report).toMatchObject({ surgery: 'reference', roundTo: 1, timeMissing: null, unrounded: null });
    const { layers, effective, before, after, time } = report;
    for (const { total, kept, width, clamped } of layers) {
      expect(width).toBe(kept);
      expect(clamped).toBeLessThanOrEqual(1);
      expect(kept).toBeLessThanOrEqual(total);
    }
    expect(effective.channels).toBeCloseTo(1 - sum(layers.map(({ width }) => width)) / report.channels, 12);
    expect(effective.parameters).toBeCloseTo(1 - after.parameters / before.parameters, 12);
    expect(effective.flops).toBeCloseTo(1 - after.flops / before.flops, 12);
    expect(time).toMatchObject({ batchSize: 32, imageSize: 32, noisy: expect.any(Boolean) });
    expect(time!.ranges!.dense.low).toBeLessThanOrEqual(time!.dense);
    expect(time!.ranges!.ticket.high).toBeGreaterThanOrEqual(time!.ticket);
    expect(time!.ratio).toBeCloseTo(time!.ticket / time!.dense, 12);
    expect(existsSync(report.ticket)).toBe(true);
  });

  test('rounds, and shows the ticket without rounding beside it', async () => {
    const [plain, rounded] = [
      await prune('exact', '--surgery', 'exact', '--measure', 'false'),
      await prune('rounded', '--surgery', 'exact', '--round-to', '8'),
    ];
    expect(plain).toMatchObject({ surgery: 'exact', time: null, timeMissing: expect.stringContaining('--no-measure') });
    expect(rounded.cfg.filter((width) => width !== 'M' && width % 8 !== 0)).toEqual([]);
    expect(sum(rounded.layers.map(({ kept }) => kept))).toBeLessThanOrEqual(rounded.kept);
    expect(rounded.unrounded).toMatchObject(plain.after);
    expect(rounded.unrounded!.step).toBeGreaterThan(0);
  });

  test('measuring changes nothing of the ticket', async () => {
    await prune('unmeasured', '--measure', 'false');
    const [a, b] = ['default', 'unmeasured'].map((name) => readFileSync(at(name, 'pruned.pth.tar')));
    expect(a!.equals(b!)).toBe(true);
  });

  test('a ticket is retrained', async () => {
    const ticket = ['--scratch', at('rounded', 'pruned.pth.tar'), '--epochs', '2', '--json'];
    const { stdout } = await succeed(['retrain', ...images, ...training, ...ticket, '--save', at('retrain')]);
    expect(JSON.parse(stdout)).toMatchObject({ completed: 2 });
  });

  test('an unknown surgery is refused in one sentence', async () => {
    const { status, stdout, stderr } = await cli(['prune', '--model', model, '--surgery', 'nonsense']).done;
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe('earlybird: --surgery nonsense is not possible: give one of reference, exact. [ERR_RECIPE]\n');
  });

  test('the weights of PyTorch’s own ResNet-18, a bare state dict without selections, are pruned', async () => {
    const network = ['--arch', 'resnet18', '--image-size', '32', '--limit-train', '8', '--epochs', '1'];
    const few = training.map((word, i) => (training[i - 1] === '--batch-size' ? '8' : word));
    const search = ['search', '--dataset', 'synthetic', '--limit-test', '8', ...network, ...few];
    await succeed([...search, '--keep-checkpoints', 'none', '--save', at('resnet18')]);
    const { value } = await readCheckpoint(at('resnet18', 'checkpoint.pth.tar'));
    const state = stateDictOf(value, 'checkpoint.pth.tar');
    for (const key of [...state.keys()]) if (key.endsWith('indexes')) state.delete(key);
    await writeCheckpoint(at('resnet18.pth'), stateDictValue(state));

    const given = ['--model', at('resnet18.pth'), '--arch', 'resnet18', '--measure', 'false', '--device', 'cpu'];
    const { stdout, stderr } = await succeed(['prune', ...given, '--save', at('pruned18')]);
    expect(stderr).toContain('reference surgery is not function-preserving here');
    expect(stdout).toContain('(reference surgery)');
    const exact = await succeed(['prune', ...given, '--surgery', 'exact', '--save', at('exact18'), '--json']);
    expect(exact.stderr).not.toContain('function-preserving');
    // The stream stays whole: its BN layers are masked and still computed.
    const { layers } = JSON.parse(exact.stdout) as PruneReport;
    expect(layers[0]).toMatchObject({ key: 'bn1', total: 64, width: 64 });
    expect(layers[0]!.kept).toBeLessThan(64);
  });

  test('train hands the options on', async () => {
    const options = [
      '--percent',
      '0.5',
      '--surgery',
      'exact',
      '--round-to',
      '4',
      '--measure',
      'false',
      '--epochs',
      '3',
    ];
    const { stdout } = await succeed(['train', ...TINY, ...EAGER, ...options, '--save', at('train'), '--json']);
    const { prune: report } = JSON.parse(stdout) as { prune: PruneReport };
    expect(report).toMatchObject({ surgery: 'exact', roundTo: 4, time: null });
    expect(report.cfg.filter((width) => width !== 'M' && width % 4 !== 0)).toEqual([]);
  });

  test('--round-to auto is that of 8 where nothing is measured, and the file says so', async () => {
    const cut = (roundTo: string) => prune(`round-${roundTo}`, '--round-to', roundTo, '--measure', 'false');
    const [auto, eight] = [await cut('auto'), await cut('8')];
    expect(auto).toMatchObject({ roundTo: 'auto', cfg: eight.cfg });
    expect(auto.unrounded).not.toBeNull();
  });
});
