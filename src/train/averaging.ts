/**
 * Stochastic weight averaging (SWALP): the plain mean of the weights after each epoch from a given one on, in full
 * precision whatever the training's precision. Its BatchNorm statistics are estimated anew each time, by one pass over
 * the training images.
 */
import type { NativeDataset } from '../native/types/dataset';
import type { NativeModel } from '../native/types/model';
import type { Progress } from '../native/types/pass';
import type { AveragedWeights } from '../run/checkpoint';
import type { AverageMetrics } from '../run/metrics';
import type { StateDict } from '../tensor';

interface AveragingOptions {
  /** Index of the first epoch that is averaged. */
  start: number;
  /** Makes a network of the same shape with these weights, in full precision. */
  create(state: StateDict): Promise<NativeModel>;
  /** Mean in the checkpoint that a run resumes from. */
  restored?: AveragedWeights | undefined;
}

/** Data and settings of the training, by which the mean is tested. */
interface AveragingPasses {
  data: { train: NativeDataset; test: NativeDataset };
  settings: { batchSize: number; testBatchSize: number; seed: number; capture?: boolean | undefined };
  signal?: AbortSignal | undefined;
  onProgress?: (progress: Progress) => void;
}

export class Averaging implements Disposable {
  /** The mean so far, for the next checkpoint; undefined before the first averaged epoch. */
  current: AveragedWeights | undefined;
  /** The model is made when the first mean is due, so that until then a run needs the memory of one network only. */
  private model: NativeModel | null = null;

  constructor(private readonly options: AveragingOptions) {
    this.current = options.restored;
  }

  /** Adds the weights of `trained` after this epoch, and tests the mean; undefined before its start. */
  async add(trained: NativeModel, epoch: number, passes: AveragingPasses): Promise<AverageMetrics | undefined> {
    if (epoch < this.options.start) return undefined;
    // Buffers such as selected channels come with the weights.
    this.model ??= await this.options.create(this.current?.state ?? (await trained.stateDict()));
    const { model } = this;
    const { data, settings, signal, onProgress } = passes;
    const { seed, batchSize, testBatchSize, capture } = settings;
    const models = (this.current?.models ?? 0) + 1;
    await model.average(trained, 1 / models);
    const common = { precision: 'fp32', signal, onProgress } as const;
    const norms = await model.estimateNorms({ ...common, dataset: data.train, batchSize, seed, epoch });
    const test = await model.evaluate({ ...common, dataset: data.test, batchSize: testBatchSize, capture });
    this.current = { state: await model.stateDict(), models };
    const { loss, top1, top1BatchMean, top5 } = test;
    return { n: models, loss, top1, top1BatchMean, top5, seconds: norms.seconds + test.seconds };
  }

  [Symbol.dispose](): void {
    this.model?.[Symbol.dispose]();
  }
}
