/** Channels ranked by other criteria, and ratios of other budgets, from the command line. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PruneReport } from '../../src/prune/report';
import type { TrainResult } from '../../src/train/eb-train';
import { cli, describeTrained, succeed } from './run-cli';
import { EAGER, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const at = (...names: string[]) => join(folder.path, ...names);
const images = TINY.slice(0, TINY.indexOf('--limit-test'));
const here = ['--device', 'cpu', '--threads', '1'];
const bits = (name: string) => readFileSync(at(name, 'masks', '50.bits')).toString('hex');

describeTrained('criteria', () => {
  const search = (name: string, ...args: string[]) =>
    succeed(['search', ...TINY, '--epochs', '2', '--ratios', '0.5', '--save', at(name), ...args]);
  const prune = async (name: string, ...args: string[]) => {
    const common = ['--model', at('gamma', 'ckpt1.pth.tar'), '--percent', '0.5', '--save', at(name), '--no-measure'];
    return JSON.parse((await succeed(['prune', ...common, ...here, ...args, '--json'])).stdout) as PruneReport;
  };

  beforeAll(() => search('gamma'));

  test('a search draws the masks of every epoch by its criterion, the same ones again', async () => {
    await search('taylor', '--criterion', 'taylor', '--criterion-batches', '2');
    await search('again', '--criterion', 'taylor', '--criterion-batches', '2');
    expect(bits('taylor')).toBe(bits('again'));
    expect(bits('taylor')).not.toBe(bits('gamma'));
    // Scoring changes nothing: the weights are those of the search that uses gammas.
    const last = (name: string) => readFileSync(at(name, 'metrics.jsonl'), 'utf8').trim().split('\n').map(losses);
    expect(last('taylor')).toEqual(last('gamma'));
    await search('inside', '--criterion', 'taylor', '--criterion-batches', '2', '--mask-every', '2');
    expect(last('inside')).toEqual(last('gamma'));
    expect(bits('inside')).toBe(bits('taylor'));
    const other = ['search', ...TINY, '--epochs', '2', '--ratios', '0.5', '--save', at('taylor')];
    const { status, stderr } = await cli(other).done;
    expect([status, stderr]).toEqual([2, expect.stringContaining('ERR_RECIPE')]);
  });

  test('the distances of checkpoints are those by gamma, which is said of a search by another criterion', async () => {
    const distance = (name: string, from: string) =>
      succeed(['distance', '--save', at(name), '--percent', '0.5', '--from', from]);
    const matrix = (name: string) => readFileSync(at(name, 'overlap_0.5.npy')).toString('hex');
    await search('l1', '--criterion', 'l1', '--budget', 'params');
    const note = `note: these are masks by |gamma| and a share of the channels, while the search in ${at('l1')} drew its own by --criterion l1 and --budget params: its masks/ has those of the ratios it followed`;
    expect((await distance('l1', 'checkpoints')).stderr).toContain(note);
    const byGamma = matrix('l1');
    expect((await distance('gamma', 'checkpoints')).stderr).not.toContain('note:');
    expect(matrix('gamma')).toBe(byGamma);
    expect((await distance('l1', 'masks')).stderr).not.toContain('note:');
    expect(matrix('l1')).not.toBe(byGamma);
  });

  test.each(['lamp', 'taylor', 'grasp'])('prune --criterion %s cuts a ticket', async (criterion) => {
    const report = await prune(`p-${criterion}`, '--criterion', criterion, '--criterion-batches', '1', ...images);
    expect(report).toMatchObject({ criterion, budget: 'channels' });
    expect(report.effective.channels).toBeGreaterThan(0.3);
    expect(report.effective.channels).toBeLessThan(0.6);
  });

  test('--percent is the share of the budget that goes', async () => {
    const flops = await prune('flops', '--budget', 'flops', '--criterion', 'l2');
    expect(flops.effective.flops).toBeGreaterThanOrEqual(0.5);
    expect(flops.effective.flops).toBeLessThan(0.6);
    const common = ['prune', '--model', at('gamma', 'ckpt1.pth.tar'), '--percent', '0.4', ...here];
    const params = ['--budget', 'params', '--surgery', 'exact', '--round-to', '4', '--save', at('params')];
    const { stdout } = await succeed([...common, ...params]);
    const shares = /pruned: .*% of channels, (.*)% of parameters, .*% of forward FLOPs, .*% of step time/.exec(stdout);
    expect(Number(shares?.[1])).toBeGreaterThanOrEqual(40);
  });

  test('a share of time needs measured widths', async () => {
    const args = ['--model', at('gamma', 'ckpt1.pth.tar'), '--budget', 'time', '--save', at('time'), ...here];
    const { status, stderr } = await cli(['prune', ...args], { env: { EARLYBIRD_KERNELS: 'rule' } }).done;
    expect([status, stderr]).toEqual([2, expect.stringContaining('use --budget flops. [ERR_RECIPE]')]);
    expect(existsSync(at('time', 'pruned.pth.tar'))).toBe(false);
  });

  test('a search by |gamma| finds tickets of another budget', async () => {
    await search('gamma-flops', '--budget', 'flops', '--epochs', '4', ...EAGER);
    expect(readdirSync(at('gamma-flops')).filter((name) => name.startsWith('EB-'))).toEqual(['EB-50-2.pth.tar']);
  });

  test('train cuts by the criterion and the budget that its search looked by', async () => {
    const args = ['--criterion', 'snip', '--criterion-batches', '1', '--budget', 'flops', '--percent', '0.5'];
    const { stdout } = await succeed([
      ...['train', ...TINY, '--epochs', '3', '--detector-window', '2', '--detector-threshold', '1', ...args],
      ...['--save', at('train'), '--no-measure', '--json'],
    ]);
    const { prune: report } = JSON.parse(stdout) as TrainResult;
    expect(report).toMatchObject({ criterion: 'snip', budget: 'flops' });
    expect(report.effective.flops).toBeGreaterThanOrEqual(0.5);
  });
});

function losses(line: string) {
  const { train, test } = JSON.parse(line) as { train: { loss: number }; test: { loss: number } };
  return [train.loss, test.loss];
}
