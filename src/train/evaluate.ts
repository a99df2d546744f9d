/** Evaluates a checkpoint: exact top-1 and top-5, and the reference's unweighted means over batches. */
import { dirname } from 'node:path';
import type { EnergyFile } from '../energy/file';
import { phaseTotals } from '../energy/totals';
import { chooseKernels, recordedKernels } from '../engine/kernels';
import { openTestSession } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import { costsOf } from '../network/flops';
import { loadModel } from '../network/load';
import { formatsOf, testedOptions } from '../recipe/precision';
import { type EvaluateRecipe, requireParsed } from '../recipe/recipe';
import { precisionFor } from '../run/checkpoint-formats';
import { type Normalisation, networkFor, weightsOf } from '../run/checkpoint-network';
import { readGiven } from '../run/given';
import type { Observer, RunOptions } from '../run/observer';
import { refuseOtherSize } from './image-size';
import { cfgFrom } from './search';

/** Scores of a checkpoint on a test set. */
export interface EvaluateResult {
  /** Path of the checkpoint. */
  checkpoint: string;
  /** Data set; `test`: number of test images. */
  dataset: { name: string; synthetic: boolean; test: number };
  /**
   * Formats of the tested model, with the rounding of the test; null in full precision. Those of gradients
   * and momentum, and word lengths of weights, are the ones of the checkpoint, as a test rounds to none.
   */
  lowPrecision: NumberFormats | null;
  /** Exact accuracies, percent. */
  top1: number;
  top5: number;
  /** Top-1 as the unweighted mean over batches, as the reference prints it, percent. */
  top1BatchMean: number;
  top5BatchMean: number;
  loss: number;
  parameters: number;
  /** Forward FLOPs of one image. */
  flops: number;
  /** Number of test images that do not decode and were left out. */
  bad: number;
  seconds: number;
  /** Energy, in the form of a run's energy.json; null where it was not metered. */
  energy: EnergyFile | null;
}

/**
 * Tests the checkpoint `recipe.resume` (else `recipe.scratch`) on the test set of `recipe.dataset`. The recipe decides
 * the network, else the checkpoint does; widths come from `cfg`, else `scratch`, else the checkpoint.
 *
 * @param recipe from `parseRecipe('evaluate', ...)`
 * @throws ERR_USAGE without a checkpoint, ERR_FILE and ERR_CHECKPOINT for one that cannot be read, ERR_DATASET for other classes
 *
 * @example
 * const recipe = parseRecipe('evaluate', { resume: 'logs/model_best.pth.tar', dataset: 'cifar10', data: 'data' });
 * const { top1, top5 } = await evaluate(recipe); // percent
 */
export async function evaluate(recipe: EvaluateRecipe, options: RunOptions = {}): Promise<EvaluateResult> {
  requireParsed('evaluate', recipe);
  const checkpoint = recipe.resume ?? recipe.scratch;
  if (checkpoint === undefined) {
    throw new EarlybirdError('ERR_USAGE', 'FILE is missing: give the checkpoint to evaluate.');
  }
  const { observer } = options;
  const flag = recipe.resume === undefined ? 'scratch' : 'resume';
  const { value } = await readGiven(checkpoint, flag, { key: recipe.key });
  const given = { ...recipe, cfg: recipe.cfg ?? (await cfgFrom(recipe)) };
  const network = networkFor(given, value, checkpoint);
  const { arch, depth, cfg } = network;
  const formats = formatsOf(precisionFor(testedOptions(recipe), value, checkpoint, network.formats, observer?.log));
  const rounding = formats && recipe.testRounding ? { rounding: recipe.testRounding } : {};

  using session = await openTestSession(testData(recipe, network, checkpoint, observer), options);
  const { addon, dataset, device, energy, precision, test } = session;
  const { name, synthetic, classes, height: imageSize } = dataset;
  if (network.classes !== undefined && network.classes !== classes) {
    const list = name === 'imagenet' ? ', or lay the synset list of the whole set beside the images' : '';
    throw new EarlybirdError(
      'ERR_DATASET',
      `${checkpoint} tells ${network.classes} classes apart, but ${name} has ${classes}: give the --dataset and --data it was trained on${list}.`,
    );
  }
  if (network.normalisation && network.normalisation.mean.join() !== dataset.mean.join())
    observer?.log?.(`the images of ${name} are normalised as ${checkpoint} says, not as others of ${name}`);
  refuseOtherSize(recipe, network.imageSize, imageSize, checkpoint);
  const recorded = await recordedKernels(dirname(checkpoint));
  const shape = { arch, depth, classes, cfg, seed: recipe.seed, device, imageSize, formats, kernels: recorded };
  using model = await loadModel(addon, shape, weightsOf(arch, value, checkpoint, observer?.log), checkpoint);
  await chooseKernels(session, model, { recorded, log: observer?.log });
  const pass = await energy.metered('evaluate', () =>
    model.evaluate({
      dataset: test,
      batchSize: recipe.batchSize ?? recipe.testBatchSize,
      precision,
      capture: recipe.capture,
      ...rounding,
      signal: options.signal,
      onProgress: (progress) => options.observer?.progress?.('test', progress),
    }),
  );
  const spent = await energy.lap();
  session.reportBad('test', pass.bad);
  const { parameters, flops } = await costsOf(model);
  return {
    checkpoint,
    dataset: { name, synthetic, test: dataset.test.count },
    lowPrecision: formats ? { ...formats, ...rounding } : null,
    top1: pass.top1,
    top5: pass.top5,
    top1BatchMean: pass.top1BatchMean,
    top5BatchMean: pass.top5BatchMean,
    loss: pass.loss,
    parameters,
    flops,
    bad: pass.bad?.length ?? 0,
    seconds: pass.seconds,
    energy: spent && {
      version: 1,
      sources: energy.sources(),
      idle: energy.idle,
      phases: phaseTotals('evaluate', [], spent),
    },
  };
}

/** Opens test images as the network was trained on them: in its size and normalisation. */
function testData(
  recipe: EvaluateRecipe,
  { imageSize, normalisation }: { imageSize?: number; normalisation?: Normalisation | undefined },
  checkpoint: string,
  observer: Observer | undefined,
) {
  if (recipe.imageSize !== undefined && imageSize !== undefined && recipe.imageSize !== imageSize)
    observer?.log?.(`${checkpoint} was trained on images of ${imageSize} pixels and is tested on ${recipe.imageSize}`);
  return { ...recipe, imageSize: recipe.imageSize ?? imageSize, normalisation };
}
