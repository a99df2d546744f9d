/** Checkpoints that a run cannot go on from: each is one sentence, given as --resume or found in the folder of the run. */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import { type Dict, isDict, isTensor, type Value } from '../../src/checkpoint/value';
import type { LayerInput } from '../../src/network/schema';
import { cli, describeTrained, succeed } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder.path, ...names);

const RUN =
  'search --dataset synthetic --limit-train 64 --limit-test 32 --batch-size 32 --test-batch-size 32 --schedule 4 --lr 0.05 --seed 3 --ratios 0.5 --device cpu --threads 1 --report false';
const search = (save: string, arch: string[], ...more: string[]) => [
  ...RUN.split(' '),
  ...arch,
  ...['--save', save, '--epochs', '2', '--swa', '--swa_start', '0'],
  ...more,
];

/** Networks of equal shapes but for `out`; a stride and a limit do not show in weights. */
function networkFile(name: string, changed: { stride?: number; max?: number; out?: number }): string[] {
  const { stride = 2, max, out = 16 } = changed;
  const layers: LayerInput[] = [
    { name: 'stem', kind: 'conv', out, kernel: 3, padding: 1, stride },
    { name: 'bn', kind: 'batchnorm' },
    { name: 'relu', kind: 'relu', ...(max === undefined ? {} : { max }) },
    { name: 'pool', kind: 'avgpool' },
    { name: 'fc', kind: 'linear', out: 'classes' },
  ];
  writeFileSync(at(`${name}.json`), JSON.stringify({ name, imageSize: 32, layers }));
  return ['--arch', at(`${name}.json`)];
}
const VGG = (width: number) =>
  `--arch vgg --depth 11 --cfg ${width} M 16 M 16 16 M 16 16 M 16 16`.replaceAll('  ', ' ').split(' ');

/** Arguments by name: those of the run, and those of another network. */
let own: Record<'data' | 'vgg', string[]>;
let other: Record<string, { of: 'data' | 'vgg'; arch: string[]; refusal: (file: string) => string }>;

describeTrained('a checkpoint of another network', () => {
  beforeAll(async () => {
    own = { data: networkFile('own', {}), vgg: VGG(16) };
    other = {
      stride: {
        of: 'data',
        arch: networkFile('dense', { stride: 1 }),
        refusal: (file) =>
          `${file} holds weights of the network dense, whose layer stem computes something else than that of own: give no --arch, or save its weights alone, torch.save(model.state_dict(), ...).`,
      },
      limit: {
        of: 'data',
        arch: networkFile('six', { max: 6 }),
        refusal: (file) =>
          `${file} holds weights of the network six, whose layer relu computes something else than that of own: give no --arch, or save its weights alone, torch.save(model.state_dict(), ...).`,
      },
      width: {
        of: 'data',
        arch: networkFile('wide', { out: 24 }),
        refusal: (file) =>
          `${file} does not fit the network own with 10 classes: 6 shapes differ (stem.weight is (24, 3, 3, 3) instead of (16, 3, 3, 3), bn.weight is (24) instead of (16), bn.bias is (24) instead of (16), ...); its keys are of no network known here: give a file of one of them.`,
      },
      vggWidth: {
        of: 'vgg',
        arch: VGG(8),
        refusal: (file) =>
          `${file} does not fit --arch vgg --depth 11 with 10 classes: 6 shapes differ (feature.0.weight is (8, 3, 3, 3) instead of (16, 3, 3, 3), feature.1.weight is (8) instead of (16), feature.1.bias is (8) instead of (16), ...); its keys look like --arch vgg --depth 11 --cfg 8 M 16 M 16 16 M 16 16 M 16 16 with 10 classes, as its --dataset has.`,
      },
      kind: {
        of: 'vgg',
        arch: '--arch resnet --depth 11'.split(' '),
        refusal: (file) =>
          `${file} does not fit --arch vgg --depth 11 with 10 classes: 42 keys are missing (feature.0.weight, feature.1.weight, feature.1.bias, ...), 69 keys are strange (conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias, ...); its keys look like --arch resnet --depth 11 with 10 classes, as its --dataset has.`,
      },
    };
    for (const [name, arch] of Object.entries(own)) await succeed(search(at(name), arch));
    for (const [name, { arch }] of Object.entries(other)) await succeed(search(at(name), arch));
  });
  afterAll(() => folder.remove());

  const NAMES = ['stride', 'limit', 'width', 'vggWidth', 'kind'];

  test.each(NAMES)('%s, as --resume', async (name) => {
    const { of, refusal } = other[name]!;
    const file = at(name, 'checkpoint.pth.tar');
    const { status, stderr } = await cli(search(at(`${name}-resumed`), own[of], '--resume', file)).done;
    expect(status).toBe(1);
    expect(stderr).toContain(`${refusal(file)} [ERR_CHECKPOINT]`);
  });

  test.each(NAMES)('%s, in the folder of an interrupted run', async (name) => {
    const { of, refusal } = other[name]!;
    const file = at(of, 'checkpoint.pth.tar');
    rmSync(at(of, 'result.json'), { force: true });
    copyFileSync(at(name, 'checkpoint.pth.tar'), file);
    const { status, stderr } = await cli(search(at(of), own[of])).done;
    expect(status).toBe(1);
    expect(stderr).toContain(`${refusal(file)} [ERR_CHECKPOINT]`);
  });

  const momentumIn = (value: Dict) => {
    const state = (value.get('optimizer') as Dict).get('state') as Dict;
    return [...state.values()].filter(isDict).map((slot) => slot.get('momentum_buffer'))[1];
  };
  test.each<[string, number, (value: Dict) => Value | undefined]>([
    ['momentum', Number.NaN, momentumIn],
    ['momentum', Number.NEGATIVE_INFINITY, momentumIn],
    ['average', Number.NaN, (value) => (value.get('swa_state_dict') as Dict).get('bn.weight')],
  ])('%s of %d', async (what, wrong, tensorIn) => {
    const { value } = await readCheckpoint(at('stride', 'checkpoint.pth.tar'));
    const tensor = tensorIn(value as Dict);
    if (!isTensor(tensor)) throw new Error(`no ${what}`);
    Buffer.from(tensor.data.buffer, tensor.data.byteOffset).writeFloatLE(wrong, 4);
    const file = at(`${what}.pth.tar`);
    await writeCheckpoint(file, value);
    const arch = other.stride!.arch;
    const { status, stderr } = await cli(search(at('hurt'), arch, '--epochs', '3', '--resume', file)).done;
    expect(status).toBe(1);
    expect(stderr).toContain(
      `The ${what} in ${file} holds NaN or infinity in 1 of the 16 values of bn.weight: its training diverged, so take an earlier checkpoint. [ERR_NUMERIC]`,
    );
  });
});
