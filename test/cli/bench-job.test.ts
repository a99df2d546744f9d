/** bench job beside the real peer, on a network and images that take seconds. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { JobBenchResult } from '../../src/cost/job/job';
import { peerWords } from '../../src/cost/job/rows';
import { parseRecipe } from '../../src/recipe/recipe';
import { PEERS, parsedBy, pythonWithTorch } from '../support/peers';
import { cli, describeTrained, succeed } from './run-cli';
import { temporaryFolder } from './tiny';

const python = pythonWithTorch();
const withTorch = python === null ? test.skip : test;

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

withTorch(
  'the peer takes the words that it gets',
  () => {
    const recipe = parseRecipe('benchJob', { model: 'preresnet20', epochs: 8, device: 'cpu', threads: 3, peer: PEERS });
    const row = { system: 'tuned', seed: 7, folder: '' };
    const words = peerWords(recipe, row, { train: 'a.bin', test: 'b.bin', classes: 5 });
    expect(parsedBy(python!, { peer_job: words }).peer_job).toEqual({
      ...{ train: 'a.bin', test: 'b.bin', classes: 5, model: 'preresnet20', mode: 'tuned', ratio: 0.5, epochs: 8 },
      ...{
        schedule: [4, 6],
        lr: 0.1,
        momentum: 0.9,
        weight_decay: 1e-4,
        l1: 1e-4,
        batch: 64,
        test_batch: 256,
        seed: 7,
      },
      ...{ reinit: false, dtype: 'fp32', device: 'cpu', threads: 3, json: null },
    });
  },
  120_000,
);

const PRUNING = `
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import torch
from peer_models import Select, build, bn_gammas
from peer_prune import masks_of, prune
torch.manual_seed(1)
torch.set_num_threads(1)
for name in ("vgg16", "preresnet20"):
    model = build(name).eval()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for m in norms:
            m.weight.copy_(torch.rand_like(m.weight)); m.bias.normal_(); m.running_mean.normal_(); m.running_var.uniform_(0.5, 2)
        norms[3].weight.mul_(1e-6)
    masks = masks_of(model, 0.5)
    assert abs(sum(int(m.sum()) for m in masks) / sum(len(m) for m in masks) - 0.5) < 0.01
    assert int(masks[3].sum()) == 1, "a layer that would lose everything keeps one channel"
    small, cfg = prune(name, model, 0.5, 10)
    fresh, again = prune(name, model, 0.5, 10, inherit=False)
    assert cfg == again and not torch.equal(fresh.state_dict()["conv1.weight" if name != "vgg16" else "feature.0.weight"],
                                            small.state_dict()["conv1.weight" if name != "vgg16" else "feature.0.weight"])
    with torch.no_grad():
        for m, mask in zip(norms, masks):
            m.weight.mul_(mask); m.bias.mul_(mask)
        x = torch.randn(2, 3, 32, 32)
        gap = (model(x) - small.eval()(x)).abs().max().item() / model(x).abs().max().item()
    assert gap < 1e-4, (name, gap)
    for m in small.modules():
        if isinstance(m, Select):
            m.freeze()
    with torch.no_grad():
        assert torch.allclose(small(x), model(x), rtol=1e-3, atol=1e-3 * model(x).abs().max().item())
`;

withTorch(
  'the peer prunes as the reference does: the small network computes what the masked dense one does',
  () => {
    const { status, stderr } = spawnSync(python!, ['-c', PRUNING, PEERS], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  },
  300_000,
);

describeTrained('a whole job', () => {
  const flags = [
    ...['--dataset', 'synthetic', '--limit-train', '40', '--limit-test', '20', '--batch-size', '16', '--threads', '1'],
    ...['--model', 'preresnet20', '--epochs', '3', '--detector-window', '2', '--detector-threshold', '1'],
    ...['--device', 'cpu', '--watts', '10', '--seeds', '1'],
  ];
  const job = (save: string, ...more: string[]) => [
    'bench',
    'job',
    ...flags,
    '--out',
    join(temporary.path, save),
    ...more,
  ];

  withTorch(
    'beside both modes, and its result again without a run',
    async () => {
      const args = job('beside', '--peer', PEERS, '--python', python!);
      const result: JobBenchResult = JSON.parse((await succeed([...args, '--json'])).stdout);
      expect(result.groups.map(({ system, n }) => [system, n])).toEqual([
        ['earlybird', 1],
        ['reference', 1],
        ['tuned', 1],
      ]);
      for (const { record, system } of result.runs) {
        const { seconds, dense, ticket, energy, top1, dtype } = record;
        expect(seconds.train).toBeGreaterThan(0);
        expect(seconds.whole).toBeGreaterThan(seconds.train + seconds.test);
        expect(energy).toMatchObject({ estimated: true, ways: [] });
        expect(energy.joules! / 10 / seconds.whole).toBeCloseTo(1, 1);
        expect(ticket.flops).toBeLessThan(dense.flops);
        expect([dense.epochs, ticket.epochs]).toEqual(system === 'earlybird' ? [1, 2] : [3, 3]);
        expect(top1).toBeGreaterThanOrEqual(0);
        expect(dtype).toBe('fp32');
      }
      const { stdout, stderr } = await succeed(args);
      expect(stdout).toMatch(/^tuned +[\d.]+ \([\d.]+x\)$/m);
      expect(stderr).not.toContain('run 1 of');
    },
    600_000,
  );

  test('alone', async () => {
    const { stdout } = await succeed(job('alone', '--peer', 'none'));
    expect(stdout).toMatch(/^earlybird +[\d.]+$/m);
    // The result of finished runs names the command that asked for it.
    const again = await succeed(job('alone', '--peer', 'none', '--timeout', '77', '--json'));
    expect((JSON.parse(again.stdout) as JobBenchResult).machine.commandLine).toContain('--timeout 77');
    const { status, stderr } = await cli(job('alone', '--peer', 'none', '--ratio', '0.3')).done;
    expect([status, stderr]).toEqual([2, expect.stringContaining('--ratio: 0.5 there, 0.3 now')]);
  }, 300_000);
});
