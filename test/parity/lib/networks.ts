import type { NativeAddon } from '../../../src/native/types/addon';
import type { Cfg, NativeModel } from '../../../src/native/types/model';
import { archName } from '../../../src/network/names';
import type { StateDict } from '../../../src/tensor';
import { lazy, Skip } from './case';
import { fill, type Gamma } from './fill';
import { images, type Seed } from './random';
import type { ImagesJson, Reference, SpecJson } from './reference';
import { floatTensor } from './tensors';

const CLASSES: Record<string, number> = { cifar10: 10, cifar100: 100, imagenet: 1000 };

export function classesOf(dataset: string): number {
  const classes = CLASSES[dataset];
  if (classes === undefined) throw new Error(`the number of classes of data set '${dataset}' is not known`);
  return classes;
}

/** Arguments of every item: the folder, and the addon under test. */
export class Context {
  /** The addon is loaded when the first case needs it: some run without. */
  private readonly loaded: () => NativeAddon;
  private readonly built = new Map<string, boolean>();

  constructor(
    readonly reference: Reference,
    loadAddon: () => NativeAddon,
  ) {
    this.loaded = lazy(loadAddon);
  }

  get addon(): NativeAddon {
    return this.loaded();
  }

  /** A network of the reference; skips the case when this network is not built yet. */
  async create(spec: SpecJson, cfg: Cfg | undefined = spec.cfg): Promise<NativeModel> {
    await this.requireBuilt(spec);
    const { arch } = spec;
    return this.addon.createModel({
      arch,
      depth: depthOf(spec),
      classes: classesOf(spec.dataset),
      cfg,
      seed: 1,
      device: 'cpu',
    });
  }

  /** The same, holding the generator's weights. */
  async load(spec: SpecJson, seed: Seed, gamma: Gamma = 'u'): Promise<NativeModel> {
    const model = await this.create(spec);
    await this.refill(model, seed, gamma);
    return model;
  }

  async refill(model: NativeModel, seed: Seed, gamma: Gamma = 'u'): Promise<StateDict> {
    const state = fill(await model.stateDict(), seed, { gain: gainOf(archName(model.describe().arch)), gamma });
    await model.loadStateDict(state);
    return state;
  }

  images(of: ImagesJson) {
    return floatTensor(images(of.seed, of.k, of.shape), of.shape);
  }

  /** Asks the addon whether it has the network; faults in depth, cfg or weights are left to the case, and fail it. */
  private async requireBuilt({ arch }: SpecJson): Promise<void> {
    if (!this.built.has(arch)) this.built.set(arch, await this.isBuilt(arch));
    if (!this.built.get(arch)) throw new Skip(`network '${arch}' is not built yet`);
  }

  private async isBuilt(arch: string): Promise<boolean> {
    try {
      const model = await this.addon.createModel({ arch, depth: 0, classes: 10, seed: 1, device: 'cpu' });
      model.dispose();
      return true;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return !(code === 'ERR_MODEL' && /unknown architecture|not built/i.test(message));
    }
  }
}

/** ImageNet networks carry their depth in their name. */
function depthOf(spec: SpecJson): number {
  return spec.depth ?? Number(/\d+/.exec(spec.arch)?.[0] ?? 0);
}

/** Scale of convolution weights: 4.24 for VGG, 3.0 for all others. */
export const gainOf = (arch: string): number => (arch === 'vgg' ? 4.24 : 3.0);
