/** A network that is data through the command line: search, prune, retrain, resume, evaluate, and a file that has changed. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { LayerInput } from '../../src/network/schema';
import { checkpointNetwork } from '../../src/run/checkpoint-network';
import { cli, describeTrained, stopWhen, succeed } from './run-cli';
import { differences, EAGER, outcomeOf, temporaryFolder } from './tiny';

const folder = temporaryFolder();
const at = (name: string) => join(folder.path, name);
const file = at('small.json');

/**
 * A depthwise block, a residual stream that a selection reads, and a concatenation. The names of the layers begin as
 * keys do where a module of Lightning holds the network.
 */
const LAYERS: LayerInput[] = [
  { name: 'net.stem', kind: 'conv', out: 16, kernel: 3, padding: 1, stride: 2 },
  { name: 'net.stem_bn', kind: 'batchnorm' },
  { name: 'net.stem_relu', kind: 'relu', max: 6 },
  { name: 'net.dw', kind: 'conv', depthwise: true, kernel: 3, padding: 1, stride: 2 },
  { name: 'net.dw_bn', kind: 'batchnorm' },
  { name: 'net.dw_relu', kind: 'relu', max: 6 },
  { name: 'net.block.conv', kind: 'conv', out: 16, kernel: 1 },
  { name: 'net.block.bn', kind: 'batchnorm' },
  { name: 'net.block.conv2', kind: 'conv', out: 16, kernel: 3, padding: 1 },
  { name: 'net.block.bn2', kind: 'batchnorm' },
  { name: 'net.block.add', kind: 'add', inputs: ['net.block.bn2', 'net.block.bn'] },
  { name: 'net.block.relu', kind: 'relu' },
  { name: 'net.select', kind: 'select' },
  { name: 'net.grow', kind: 'conv', out: 8, kernel: 3, padding: 1 },
  { name: 'net.concat', kind: 'concat', inputs: ['net.block.relu', 'net.grow'] },
  { name: 'net.end.bn', kind: 'batchnorm' },
  { name: 'net.end.select', kind: 'select' },
  { name: 'net.end.relu', kind: 'relu' },
  { name: 'net.end.pool', kind: 'avgpool' },
  { name: 'net.fc', kind: 'linear', out: 'classes' },
];
const write = (layers: LayerInput[]) => writeFileSync(file, JSON.stringify({ name: 'small', imageSize: 32, layers }));

const DATA = '--dataset synthetic --limit-train 96 --limit-test 32 --batch-size 32 --test-batch-size 32'.split(' ');
const RUNTIME = '--device cpu --threads 1 --report false'.split(' ');
const search = (save: string, ...more: string[]) => [
  ...['search', ...DATA, ...EAGER, ...RUNTIME, '--arch', file, '-sr', '--lr', '0.05', '--seed', '3'],
  ...['--epochs', '3', '--schedule', '4', '--ratios', '0.5', '--save', save, ...more],
];

describeTrained('a network that is data', () => {
  beforeAll(async () => {
    write(LAYERS);
    await succeed(search(at('whole')));
  });
  afterAll(() => folder.remove());

  test('a run that was killed goes on to the same bits', async () => {
    const save = at('killed');
    await stopWhen(search(save), save, (name) => name === 'ckpt1.pth.tar', 'SIGKILL');
    await succeed(search(save));
    expect(differences(outcomeOf(save), outcomeOf(at('whole')))).toEqual([]);
  });

  test('the same file elsewhere is the same run, a changed one is another', async () => {
    const moved = at('moved.json');
    copyFileSync(file, moved);
    const again = await cli(search(at('whole'), '--arch', moved)).done;
    expect(again).toMatchObject({ status: 0, stderr: expect.stringContaining('holds this run, finished') });
    writeFileSync(moved, readFileSync(file, 'utf8').replace('"out":8', '"out":12'));
    const changed = await cli(search(at('whole'), '--arch', moved)).done;
    expect(changed.status).not.toBe(0);
    expect(changed.stderr).toMatch(/another recipe \(--arch: small \([0-9a-f]+\) there, small \([0-9a-f]+\) now/);
  });

  test('checkpoints hold the network: tickets need no --arch, at any ratio', async () => {
    const source = join(at('whole'), 'ckpt2.pth.tar');
    writeFileSync(file, 'gone');
    for (const surgery of ['reference', 'exact']) {
      const ticket = at(surgery);
      const cut = [
        'prune',
        '--model',
        source,
        '--percent',
        '0.5',
        '--surgery',
        surgery,
        '--save',
        ticket,
        '--no-measure',
      ];
      await succeed([...cut, '--device', 'cpu', '--threads', '1']);
      const path = join(ticket, 'pruned.pth.tar');
      expect(checkpointNetwork((await readCheckpoint(path)).value, path)).toMatchObject({ arch: { name: 'small' } });
      const retrain = [
        'retrain',
        '--scratch',
        path,
        ...DATA,
        ...RUNTIME,
        '--epochs',
        '5',
        '--save',
        at(`${surgery}-on`),
      ];
      await succeed(retrain);
      const tested = await succeed([
        'evaluate',
        join(at(`${surgery}-on`), 'checkpoint.pth.tar'),
        ...DATA.slice(0, 6),
        '--json',
      ]);
      expect(JSON.parse(tested.stdout)).toMatchObject({ flops: expect.any(Number) });
    }
    write(LAYERS);
  });

  test('a checkpoint of another network is refused', async () => {
    write(LAYERS.map((layer) => (layer.name === 'net.grow' ? { ...layer, name: 'net.other' } : layer)) as LayerInput[]);
    const tested = await cli(['evaluate', join(at('whole'), 'ckpt2.pth.tar'), '--arch', file, ...DATA.slice(0, 6)])
      .done;
    expect(tested.status).not.toBe(0);
    write(LAYERS);
  });

  test('a run of low precision that was killed goes on, and its files are read', async () => {
    const low = ['weight', 'activate', 'grad', 'error', 'momentum'].flatMap((part) => [`--wl-${part}`, '8']);
    const save = at('low');
    await stopWhen(search(save, ...low), save, (name) => name === 'ckpt1.pth.tar', 'SIGKILL');
    await succeed(search(save, ...low));
    const ticket = at('low-ticket');
    const cut = ['--model', join(save, 'ckpt2.pth.tar'), '--percent', '0.3', '--save', ticket, '--no-measure'];
    await succeed(['prune', ...cut, '--device', 'cpu', '--threads', '1']);
    const pruned = join(ticket, 'pruned.pth.tar');
    await succeed(['retrain', '--scratch', pruned, ...DATA, ...RUNTIME, '--epochs', '4', '--save', at('low-on')]);
    const trained = join(at('low-on'), 'checkpoint.pth.tar');
    const tested = await succeed(['evaluate', trained, ...DATA.slice(0, 6), '--json']);
    expect(JSON.parse(tested.stdout)).toMatchObject({ lowPrecision: { weight: 8 } });
  });

  test('other criteria', async () => {
    for (const criterion of ['l1', 'fpgm', 'taylor', 'synflow'])
      await succeed([
        ...['prune', '--model', join(at('whole'), 'ckpt2.pth.tar'), '--percent', '0.3', '--criterion', criterion],
        ...['--dataset', 'synthetic', '--save', at(criterion), '--no-measure', '--device', 'cpu', '--threads', '1'],
      ]);
  });
});
