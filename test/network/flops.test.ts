import type { Cfg, LayerInfo, ModelDescription } from '../../src/native/types/model';
import { forwardFlops, maskFlops, maskMemoryKB, parameterCount } from '../../src/network/flops';
import { golden } from '../support/golden';

const VGG: Record<number, Cfg> = {
  11: [64, 'M', 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512],
  16: [64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512],
};

/** The description a VGG for CIFAR gives of itself (docs/reference.md#4.1). */
function vgg(cfg: Cfg, classes: number): ModelDescription {
  const layers: LayerInfo[] = [];
  let [channels, size] = [3, 32];
  for (const width of cfg) {
    const key = `feature.${layers.length}`;
    if (width === 'M') {
      size /= 2;
      layers.push({ kind: 'maxpool', key, channels, kernel: 2, height: size, width: size });
      continue;
    }
    const shape = { key, height: size, width: size };
    layers.push({ kind: 'conv', in: channels, out: width, kernel: 3, groups: 1, bias: false, ...shape });
    layers.push({ kind: 'batchnorm', channels: width, ...shape }, { kind: 'relu', channels: width, ...shape });
    channels = width;
  }
  layers.push({ kind: 'linear', key: 'classifier', in: channels, out: classes, bias: true });
  return {
    arch: 'vgg',
    depth: 0,
    classes,
    cfg,
    input: [3, 32, 32],
    parameters: [],
    indexes: [],
    batchNorms: [],
    layers,
    nodes: [],
  };
}

describe('costs against the reference', () => {
  const { cases } = golden.json<{ cases: Record<string, { flops: number; params_without_indexes: number }> }>(
    'flops.json',
  );
  const known = [11, 16].flatMap((depth) => [10, 100].map((classes) => [depth, classes] as const));
  test.each(known)('VGG%i with %i classes', (depth, classes) => {
    const expected = cases[`vgg${depth}_cifar${classes}`]!;
    const description = vgg(VGG[depth]!, classes);
    expect(forwardFlops(description.layers)).toBe(expected.flops);
    expect(parameterCount(description, new Map()).parameters).toBe(expected.params_without_indexes);
  });

  test('a pruned VGG16', () => {
    const { cfg, flops, params_without_indexes } = golden.json<{
      cfg: Cfg;
      flops: number;
      params_without_indexes: number;
    }>('prune/vgg16_cifar10_p0.3.json');
    const description = vgg(cfg, 10);
    expect(forwardFlops(description.layers)).toBe(flops);
    expect(parameterCount(description, new Map()).parameters).toBe(params_without_indexes);
  });
});

test('indexes are counted apart', () => {
  const description = { ...vgg([8], 10), indexes: ['select.indexes'] };
  const state = new Map([['select.indexes', { dtype: 'float32' as const, shape: [8], data: new Uint8Array(32) }]]);
  const { parameters, withIndexes } = parameterCount(description, state);
  expect(withIndexes - parameters).toBe(8);
});

test.each([
  ['VGG16', 4224, 16.5, 0.1611],
  ['PreResNet101', 7408, 28.94, 0.3005],
  ['ResNet-18', 4800, 18.75, 0.1857],
  ['ResNet-50', 26560, 103.75, 1.2242],
])('drawing the mask of %s', (_name, channels, memory, megaflops) => {
  expect(maskMemoryKB(channels)).toBeCloseTo(memory, 2);
  expect(maskFlops(channels) / 1e6).toBeCloseTo(megaflops, 4);
});
