/** Evaluation of a checkpoint: exact top-1 and top-5, and the reference's unweighted means over batches. */
import { stateDictOf } from '../checkpoint/keys';
import { readCheckpoint } from '../checkpoint/pth';
import type { EnergyFile } from '../energy/file';
import { phaseTotals } from '../energy/totals';
import { openTestSession } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { NumberFormats } from '../native/types/number-formats';
import { forwardFlops, parameterCount } from '../network/flops';
import { formatsOf } from '../recipe/precision';
import type { EvaluateRecipe } from '../recipe/recipe';
import { optionsFor } from '../run/checkpoint-formats';
import { networkFor } from '../run/checkpoint-network';
import type { RunOptions } from '../run/observer';
import { cfgFrom } from './search';

export interface EvaluateResult {
  checkpoint: string;
  dataset: { name: string; synthetic: boolean; test: number };
  /** Which model the scores are of: its formats in low precision, with the rounding it was tested with; null in full precision. */
  lowPrecision: NumberFormats | null;
  /** Percent. */
  top1: number;
  top5: number;
  top1BatchMean: number;
  top5BatchMean: number;
  loss: number;
  parameters: number;
  flops: number;
  /** Test images that do not decode and were left out. */
  bad: number;
  seconds: number;
  /** As energy.json of a run, which testing alone has none of; null where it was not metered. */
  energy: EnergyFile | null;
}

/** The widths come from --cfg, else --scratch, else the checkpoint itself (pruned.pth.tar holds its cfg). */
export async function evaluate(recipe: EvaluateRecipe, options: RunOptions = {}): Promise<EvaluateResult> {
  const checkpoint = recipe.resume ?? recipe.scratch;
  if (checkpoint === undefined) {
    throw new EarlybirdError('ERR_USAGE', '--resume is missing: give the checkpoint to evaluate.');
  }
  const { value } = await readCheckpoint(checkpoint);
  const given = { ...recipe, cfg: recipe.cfg ?? (await cfgFrom(recipe.scratch)) };
  const { arch, depth, cfg, classes: trained, formats: said } = networkFor(given, value, checkpoint);
  const formats = formatsOf(optionsFor(recipe, value, checkpoint, said, options.observer?.log));
  const rounding = formats && recipe.testRounding;
  const session = await openTestSession(recipe, options);
  const { addon, dataset, device, energy, precision, test } = session;
  try {
    const { classes, height: imageSize } = dataset;
    if (trained !== undefined && trained !== classes) {
      const list = dataset.name === 'imagenet' ? ', or lay the synset list of the whole set beside the images' : '';
      throw new EarlybirdError(
        'ERR_DATASET',
        `${checkpoint} tells ${trained} classes apart, but ${dataset.name} has ${classes}: give the --dataset and --data it was trained on${list}.`,
      );
    }
    const model = await addon.createModel({ arch, depth, classes, cfg, seed: recipe.seed, device, imageSize, formats });
    try {
      await model.loadStateDict(stateDictOf(value, checkpoint));
      const pass = await energy.metered('evaluate', () =>
        model.evaluate({
          dataset: test,
          batchSize: recipe.batchSize ?? recipe.testBatchSize,
          precision,
          capture: recipe.capture,
          ...(rounding ? { rounding } : {}),
          signal: options.signal,
          onProgress: (progress) => options.observer?.progress?.('test', progress),
        }),
      );
      const spent = await energy.lap();
      session.reportBad('test', pass.bad);
      const description = model.describe();
      return {
        checkpoint,
        dataset: { name: dataset.name, synthetic: dataset.synthetic, test: dataset.test.count },
        lowPrecision: formats ? { ...formats, ...(rounding ? { rounding } : {}) } : null,
        top1: pass.top1,
        top5: pass.top5,
        top1BatchMean: pass.top1BatchMean,
        top5BatchMean: pass.top5BatchMean,
        loss: pass.loss,
        parameters: parameterCount(description, await model.stateDict()).parameters,
        flops: forwardFlops(description.layers),
        bad: pass.bad?.length ?? 0,
        seconds: pass.seconds,
        energy: spent && {
          version: 1,
          sources: energy.sources(),
          idle: energy.idle,
          phases: phaseTotals('evaluate', [], spent),
        },
      };
    } finally {
      model.dispose();
    }
  } finally {
    session.dispose();
  }
}
