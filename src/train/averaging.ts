/**
 * Stochastic weight averaging (SWALP): the plain mean of the weights after each epoch from one on, in full precision whatever the
 * training computes in. Its BatchNorm statistics are estimated anew each time, by one pass over the training images.
 */

import type { NativeDataset } from '../native/types/dataset';
import type { NativeModel } from '../native/types/model';
import type { Progress } from '../native/types/pass';
import type { AveragedWeights } from '../run/checkpoint';
import type { AverageMetrics } from '../run/metrics';

export interface AveragingOptions {
  /** First epoch index that is averaged. */
  start: number;
  /** A new network of the same shape, in full precision. */
  create(): Promise<NativeModel>;
  /** Of the checkpoint that a run resumes from. */
  restored?: AveragedWeights | undefined;
}

/** What testing the mean needs: the passes of the training itself. */
export interface AveragingPasses {
  data: { train: NativeDataset; test: NativeDataset };
  settings: { batchSize: number; testBatchSize: number; seed: number; capture?: boolean | undefined };
  signal?: AbortSignal | undefined;
  onProgress?: (progress: Progress) => void;
}

export class Averaging {
  /** The mean so far, for the next checkpoint; undefined before the first epoch that counts. */
  current: AveragedWeights | undefined;
  private model: NativeModel | null = null;

  constructor(private readonly options: AveragingOptions) {
    this.current = options.restored;
  }

  /** Takes in the weights of `trained` after this epoch and tests the mean; undefined before its start. */
  async add(trained: NativeModel, epoch: number, passes: AveragingPasses): Promise<AverageMetrics | undefined> {
    if (epoch < this.options.start) return undefined;
    this.model ??= await this.begin(trained);
    const { model } = this;
    const { data, settings, signal, onProgress } = passes;
    const models = (this.current?.models ?? 0) + 1;
    await model.average(trained, 1 / models);
    const { seed, batchSize, testBatchSize } = settings;
    const common = { precision: 'fp32', signal, onProgress } as const;
    const norms = await model.estimateNorms({ ...common, dataset: data.train, batchSize, seed, epoch });
    const test = await model.evaluate({
      ...common,
      dataset: data.test,
      batchSize: testBatchSize,
      capture: settings.capture,
    });
    this.current = { state: await model.stateDict(), models };
    const { loss, top1, top1BatchMean, top5 } = test;
    return { n: models, loss, top1, top1BatchMean, top5, seconds: norms.seconds + test.seconds };
  }

  /** Only where it is needed: until then a run has the memory of one network. Buffers such as selected channels come with the weights. */
  private async begin(trained: NativeModel): Promise<NativeModel> {
    const model = await this.options.create();
    try {
      await model.loadStateDict(this.current?.state ?? (await trained.stateDict()));
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  dispose(): void {
    this.model?.dispose();
  }
}
