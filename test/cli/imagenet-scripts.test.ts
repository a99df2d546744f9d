/** All scripts of both ImageNet networks, one after the other, on a handful of generated pictures. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fillTree, makeTree } from '../support/image-tree';
import { cli, main, root, start, succeed } from './run-cli';
import { differences, outcomeOf } from './tiny';

const tree = makeTree();
afterAll(() => tree.remove());

/** The reason why they cannot run here, or null. */
function whyNot(): string | null {
  const addon = join(dirname(main), '..', 'native', 'addon.js');
  const probe = `
    const addon = require(${JSON.stringify(addon)}).loadAddon({ device: 'cpu' });
    if (!addon.createStream) throw new Error('EarlybirdError: the addon has no image streams');
    Promise.all(['resnet18', 'resnet50_official'].map((arch) =>
      addon.createModel({ arch, depth: arch === 'resnet18' ? 18 : 50, classes: 2, seed: 1, device: 'cpu', imageSize: 64 })))
      .then(() => process.exit(0), (error) => { console.error('EarlybirdError: ' + error.message); process.exit(1); });`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', probe], { encoding: 'utf8' });
  return status === 0 ? null : (/EarlybirdError: (.*)/.exec(stderr)?.[1] ?? stderr);
}

const reason = whyNot();
if (reason !== null) console.warn(`skipped: the ImageNet scripts cannot run: ${reason}`);
const ready = reason === null ? test : test.skip;

const CLASSES = ['n01440764', 'n01443537', 'n02002724', 'n03028079'];
const RUNTIME = ['--device', 'cpu', '--threads', '1'];
const data = () => ['--data', tree.at('images'), '--image-size', '64', '--workers', '2'];
const SMALL = ['--batch-size', '12', '--test-batch-size', '4', '--report', 'false', '--keep-checkpoints', 'none'];
const EAGER = ['--detector-window', '2', '--detector-threshold', '1'];

beforeAll(async () => {
  await fillTree({ ...tree, place: (file, bytes) => tree.place(`images/${file}`, bytes) }, CLASSES, 6);
});

async function script(folder: string, name: string, ...args: string[]) {
  const { status, stderr, stdout } = await start('bash', [join(root, 'scripts', folder, name), ...args, ...RUNTIME], {
    cwd: tree.root,
  }).done;
  expect([name, status, status === 0 ? '' : stderr]).toEqual([name, 0, '']);
  return { stdout, stderr };
}

const lines = (file: string) => readFileSync(tree.at(file), 'utf8').trim().split('\n');

ready.each([
  // Folder, ticket of the search, ratio.
  ['resnet18-imagenet', 'EB-30-2', '0.3'],
  ['resnet50-imagenet', 'EB-70-2', '0.7'],
])(
  'the four scripts of %s, each on what the one before wrote',
  async (folder, ticket, ratio) => {
    const run = `baseline/${folder}`;
    const search = await script(folder, 'search.sh', ...data(), ...SMALL, '--epochs', '3', ...EAGER);
    expect(existsSync(tree.at(run, `${ticket}.pth.tar`))).toBe(true);
    expect(lines(join(run, 'record.txt'))).toHaveLength(3);
    expect(JSON.parse(lines(join(run, 'metrics.jsonl'))[0]!)).toMatchObject({
      bad: 0,
      seconds: { waited: expect.any(Number) },
    });
    expect(search.stdout).toMatch(/Best accuracy/);

    await script(folder, 'prune.sh');
    expect(existsSync(tree.at(run, `pruned_${ratio}`, 'pruned.pth.tar'))).toBe(true);
    await script(folder, 'retrain_continue.sh', ...data(), ...SMALL, '--epochs', '2');

    // One epoch was trained, so that the best one is the last.
    const evaluate = [...data(), '--batch-size', '4'];
    const { stdout } = await script(folder, 'evaluation.sh', ...evaluate);
    expect(stdout).toMatch(/^top-1 \d+\.\d\d%, top-5 \d+\.\d\d%/m);
    expect(stdout).toMatch(/^Prec@1: \d+\.\d\d, Prec@5: \d+\.\d\d \(means over batches/m);
    const last = JSON.parse(lines(`${run}/retrain_${ratio}/metrics.jsonl`).at(-1)!);
    const json = JSON.parse((await script(folder, 'evaluation.sh', ...evaluate, '--json')).stdout);
    expect(json).toMatchObject({ top1: last.test.top1, bad: 0 });
  },
  600_000,
);

ready('EB Train of a ResNet-50 goes on from its ticket, which is a network of another name', async () => {
  const args = ['--arch', 'resnet50_official', '--dataset', 'imagenet', ...data(), ...SMALL, ...EAGER, ...RUNTIME];
  const run = ['--epochs', '3', '--percent', '0.5', '--measure', 'false', '--save', tree.at('eb')];
  const { stdout } = await succeed(['train', ...args, ...run, '--json']);
  const { prune, search, retrain } = JSON.parse(stdout);
  expect(prune.before.flops).toBe(search.flops); // both at the size of these images
  expect(retrain.flops).toBe(prune.after.flops);
});

ready('packed shards evaluate like the folders, without train/', async () => {
  await succeed(['data', 'pack', tree.at('images'), tree.at('shards'), '--split', 'val', '--quiet']);
  const resume = ['--resume', tree.at('baseline/resnet18-imagenet/checkpoint.pth.tar')];
  const top1 = async (folder: string) => {
    const where = ['--dataset', 'imagenet', '--data', tree.at(folder), '--image-size', '64'];
    const { stdout } = await succeed(['evaluate', ...where, ...resume, ...RUNTIME, '--json', '--quiet']);
    return JSON.parse(stdout).loss as number;
  };
  expect(await top1('shards')).toBeCloseTo(await top1('images'), 5);
});

ready('images that do not decode are one warning, and an error beyond --max-bad', async () => {
  tree.place('images/train/n01440764/broken.JPEG', 'no image');
  const args = ['search', '--dataset', 'imagenet', '--arch', 'resnet18', ...data(), ...SMALL, ...RUNTIME];
  const { stderr } = await succeed([...args, '--epochs', '1', '--save', tree.at('lenient')]);
  expect(stderr).toMatch(
    /^warning: 1 training image does not decode and was left out: train\/n01440764\/broken\.JPEG/m,
  );
  expect(JSON.parse(lines('lenient/metrics.jsonl')[0]!)).toMatchObject({ bad: 1 });
  const strict = await cli([...args, '--epochs', '1', '--max-bad', '0', '--save', tree.at('strict')]).done;
  expect(strict.status).toBe(1);
  expect(strict.stderr).toContain('ERR_DATASET');
});

ready('an interrupted run on files gives what an uninterrupted one gives, whatever the workers', async () => {
  const network = ['--arch', 'vgg', '--depth', '11', '--cfg', ...'16 M 16 M 32 32 M 32 32 M 32 32'.split(' ')];
  const where = ['--dataset', 'imagenet', '--data', tree.at('images'), '--image-size', '32'];
  const args = ['search', ...where, ...network, ...SMALL, ...RUNTIME, '--epochs', '4', '--seed', '3'];
  await succeed([...args, '--workers', '1', '--save', tree.at('whole')]);
  const part = [...args, '--workers', '3', '--save', tree.at('part')];
  const { child, done } = cli(part);
  let sent = false;
  child.stderr!.on('data', (chunk) => {
    if (!sent && String(chunk).includes('search epoch 2/4')) sent = child.kill('SIGINT');
  });
  expect([0, 130]).toContain((await done).status);
  await succeed(part);
  expect(differences(outcomeOf(tree.at('whole')), outcomeOf(tree.at('part')))).toEqual([]);
});
