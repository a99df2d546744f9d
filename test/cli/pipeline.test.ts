import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseNpy } from '../../src/checkpoint/npy';
import { numbersOf } from '../../src/checkpoint/value';
import type { TrainResult } from '../../src/train/eb-train';
import { cli, root, start, succeed, trained } from './run-cli';
import { EAGER, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
const json = (text: string) => JSON.parse(text) as Record<string, never>;

trained('the five standard-train scripts, each on what the one before wrote', async () => {
  const script = async (name: string, ...args: string[]) => {
    const { status, stderr, stdout } = await start(
      'bash',
      [join(root, 'scripts', 'standard-train', name), ...args, '--device', 'cpu'],
      { cwd: folder.path },
    ).done;
    expect([name, status, status === 0 ? '' : stderr]).toEqual([name, 0, '']);
    return stdout;
  };
  const run = 'baseline/vgg16-cifar100';
  const tiny = TINY.slice(TINY.indexOf('--batch-size'));
  const subset = [...TINY.slice(0, TINY.indexOf('--arch')), ...tiny, '--depth', '11'];
  const narrow = TINY.slice(TINY.indexOf('--cfg'), TINY.indexOf('--batch-size'));

  await script('search.sh', ...subset, ...narrow, '--epochs', '4', ...EAGER);
  expect(existsSync(at(run, 'EB-30-2.pth.tar'))).toBe(true);
  expect(readFileSync(at(run, 'record.txt'), 'utf8').trim().split('\n')).toHaveLength(4);

  // The script says cifar100, the synthetic images have 10 classes.
  const pruned = await script('prune.sh', '--dataset', 'cifar10', '--depth', '11');
  expect(pruned).toMatch(/Memory Request: \d+\.\d\dKB\nFlops for pruning: \d+\.\d\dM/);
  const text = readFileSync(at(run, 'pruned_0.3', 'prune.txt'), 'utf8');
  expect(text).toMatch(
    /^Configuration: \n\[.*'M'.*\]\nNumber of parameters: \n(\d+)\nnew model param: \n\1\nnew model flops: \n\d+\n$/,
  );

  const report = JSON.parse(readFileSync(at(run, 'pruned_0.3', 'prune.json'), 'utf8'));
  expect(report).toMatchObject({ ratio: 0.3, ticket: expect.stringMatching(/pruned\.pth\.tar$/) });

  // The script of the matrix takes no --device.
  const distance = await start('bash', [join(root, 'scripts', 'standard-train', 'mask_distance.sh')], {
    cwd: folder.path,
  }).done;
  expect(distance.status).toBe(0);
  const matrix = parseNpy(readFileSync(at(run, 'overlap_0.5.npy')));
  expect(matrix.shape).toEqual([4, 4]);
  expect(numbersOf(matrix)[0]).toBe(1);

  await script('retrain_continue.sh', ...subset, '--epochs', '3');
  expect(readFileSync(at(run, 'retrain_0.3', 'record.txt'), 'utf8')).toMatch(
    /^ {3}0\.00000, {3}0\.00000, {3}0\.00000\n/,
  );
  await script('retrain_scratch.sh', ...subset, '--epochs', '1');
  expect(existsSync(at(run, 'retrain_0.3_scratch', 'model_best.pth.tar'))).toBe(true);
});

test('prune.sh says so where the search has left no ticket', async () => {
  const { status, stderr } = await start('bash', [join(root, 'scripts', 'standard-train', 'prune.sh')], {
    cwd: join(root, 'test'),
  }).done;
  expect([status, stderr]).toEqual([
    1,
    'baseline/vgg16-cifar100 holds no ticket at 30 % (EB-30-*.pth.tar): run search.sh first, or give --model FILE.\n',
  ]);
});

trained('retraining starts after the epochs the ticket has completed', async () => {
  const { stdout } = await succeed([
    'retrain',
    ...TINY.filter((_, i) => i < TINY.indexOf('--cfg') || i >= TINY.indexOf('--batch-size')),
    '--scratch',
    at('baseline/vgg16-cifar100/pruned_0.3/pruned.pth.tar'),
    '--epochs',
    '2',
    '--save',
    at('inherit'),
    '--json',
  ]);
  expect(json(stdout)).toMatchObject({ completed: 2, command: 'retrain' });
  expect(readFileSync(at('inherit', 'metrics.jsonl'), 'utf8').trim().split('\n')).toHaveLength(1);
});

trained('evaluate agrees with the last epoch of a run', async () => {
  const run = at('baseline/vgg16-cifar100');
  const args = TINY.filter((_, i) => i < TINY.indexOf('--schedule'));
  const { stdout } = await succeed([
    'evaluate',
    ...args,
    '--device',
    'cpu',
    '--resume',
    join(run, 'ckpt3.pth.tar'),
    '--json',
  ]);
  const last = json(readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!) as unknown as {
    test: { top1: number };
  };
  expect(json(stdout)).toMatchObject({ top1: last.test.top1 });
});

trained('masks and checkpoints give the same matrix', async () => {
  const run = at('baseline/vgg16-cifar100');
  await succeed(['distance', '--save', run, '--percent', '0.3', '--from', 'masks']);
  const fromMasks = readFileSync(join(run, 'overlap_0.3.npy'));
  await succeed(['distance', '--save', run, '--percent', '0.3', '--from', 'checkpoints']);
  expect(readFileSync(join(run, 'overlap_0.3.npy')).equals(fromMasks)).toBe(true);
  await succeed(['distance', '--save', run, '--percent', '0.37']);
  expect(existsSync(join(run, 'overlap_0.37.npy'))).toBe(true);
  const missing = await cli(['distance', '--save', run, '--end_epoch', '9']).done;
  expect([missing.status, missing.stderr.includes('--end_epoch')]).toEqual([1, true]);
});

trained('plot draws what distance wrote', async () => {
  const { stdout } = await succeed([
    'plot',
    at('baseline/vgg16-cifar100'),
    '--ratios',
    '0.3',
    '0.37',
    '--save',
    at('sheet'),
  ]);
  expect(stdout).toContain('mask-distance.svg');
  expect(existsSync(at('sheet', 'mask-distance.svg'))).toBe(true);
});

trained('EB Train in one command, resumed after an interruption, reported, and not repeated', async () => {
  const args = [
    'train',
    ...TINY,
    ...EAGER,
    '--epochs',
    '4',
    '--save',
    at('train'),
    '--compare-dense',
    '--report',
    'true',
  ];
  const { child, done } = cli(args);
  let sent = false;
  child.stderr!.on('data', (chunk) => {
    if (!sent && String(chunk).includes('retrain epoch')) sent = child.kill('SIGINT');
  });
  expect([0, 130]).toContain((await done).status);
  const { stdout } = await succeed(args);
  expect(stdout).toContain('Synthetic dataset');
  expect(stdout).toMatch(/dense +.*\n.*ticket p=0\.3/);
  expect(stdout).toContain(join('report', 'index.html'));
  expect(existsSync(at('train', 'pruned_3002_0.3', 'pruned.pth.tar'))).toBe(true);
  expect(existsSync(at('train', 'retrain_3002_0.3', 'checkpoint.pth.tar'))).toBe(true);
  expect(existsSync(at('train', 'report', 'index.html'))).toBe(true);
  const headline = /EB Train took (\d\.\d\d)x the training FLOPs of the dense network/;
  const [, share] = headline.exec(stdout)!;
  expect(readFileSync(at('train', 'report', 'index.html'), 'utf8')).toContain(headline.exec(stdout)![0]);
  const stored = JSON.parse(readFileSync(at('train', 'result.json'), 'utf8')) as TrainResult;
  const { ticket, search, retrain, trainingFlops } = stored;
  const dense = 4 * search.flops;
  const ours = ticket.completed * search.flops + (4 - ticket.completed) * retrain.flops;
  expect(trainingFlops).toMatchObject({ epochs: 4, ratio: expect.closeTo(ours / dense, 12) });
  expect(Number(share)).toBeCloseTo(ours / dense, 2);
  // Results of older versions do not have it.
  writeFileSync(at('train', 'result.json'), JSON.stringify({ ...stored, trainingFlops: undefined }));
  const again = await succeed(args);
  expect(again.stderr).toContain('finished');
  expect(again.stdout).toContain(headline.exec(stdout)![0]);
});

trained('an untrained network is not pruned', async () => {
  const model = at('baseline/vgg16-cifar100/init.pth.tar');
  const { status, stderr } = await cli(['prune', '--model', model, '--save', at('none')]).done;
  expect([status, stderr.includes('[ERR_PRUNE]')]).toEqual([1, true]);
});

trained('asking for cuda and not getting it is an error', async () => {
  const { status, stderr } = await cli(['search', ...TINY, '--device', 'cuda:7', '--save', at('gpu')]).done;
  expect([status, stderr.includes('[ERR_DEVICE]')]).toEqual([1, true]);
});
