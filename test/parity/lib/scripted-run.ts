import { RunMeter } from '../../../src/energy/meter';
import type { NativeDataset } from '../../../src/native/types/dataset';
import type { MaskResult, NativeModel } from '../../../src/native/types/model';
import type { PassResult } from '../../../src/native/types/pass';
import type { NativeTrainer } from '../../../src/native/types/trainer';
import { RunDirectory } from '../../../src/run/directory';
import { round2 } from '../../../src/run/record';
import { REFERENCE_DETECTOR } from '../../../src/ticket/detector';
import { maskFromGammas } from '../../../src/ticket/mask';
import { TicketWatch } from '../../../src/ticket/watch';
import type { TrainingRun } from '../../../src/train/training';
import { floatTensor } from './tensors';

/** One run of the reference's search loop, with training replaced by given gammas and accuracies. */
export interface SearchJson {
  case: string;
  bn_sizes: number[];
  start_epoch: number;
  epochs: number;
  schedule: number[];
  lr: number;
  test_accuracy_per_epoch: number[];
  train_loss_formula: string;
  train_accuracy_formula: string;
  gamma_before_epoch: Record<string, number[]>;
  events: EventJson[];
  printed: string[];
  record_txt: string;
}

export interface EventJson {
  epoch: number;
  event: 'train' | 'save';
  lr?: number;
  file?: string;
  epoch_field?: number;
  best_prec1?: number;
  also_model_best?: boolean;
  first_gamma_at_save?: number;
}

export const gammasBefore = (search: SearchJson, epoch: number): Float32Array =>
  Float32Array.from(search.gamma_before_epoch[epoch]!);
export const channelsOf = (search: SearchJson): number => search.gamma_before_epoch[search.start_epoch]!.length;

/** The ratios of a run in the reference's order, from the lines that it printed and the files that it saved. */
export function percentsOf({ events, printed }: SearchJson): number[] {
  const names = [...printed, ...events.map(({ file }) => file ?? '')];
  const found = names.map((name) => /early_bird_(\d+)|^EB-(\d+)-/.exec(name)).filter((match) => match !== null);
  return [...new Set(found.map((match) => Number(match[1] ?? match[2])))].sort((a, b) => a - b);
}

/** A run whose model, trainer and data only play back the file. */
export async function scripted(
  search: SearchJson,
  threshold: number,
  path: string,
  rates: { epoch: number; lr: number }[],
): Promise<TrainingRun> {
  let completed = search.start_epoch;
  const gammas = () => gammasBefore(search, completed);
  const ratios = percentsOf(search).map((percent) => percent / 100);
  const model: Pick<NativeModel, 'masks' | 'evaluate'> = {
    masks: async (wanted) =>
      wanted.map((ratio): MaskResult => ({ ...maskFromGammas(gammas(), ratio), ratio, keptPerLayer: [] })),
    evaluate: async () => passed(0, search.test_accuracy_per_epoch[completed - 1]!),
  };
  const trainer: Pick<NativeTrainer, 'epoch' | 'snapshot'> = {
    epoch: async ({ epoch, lr }) => {
      rates.push({ epoch, lr });
      completed = epoch + 1;
      return passed(...trainMetrics(search, epoch));
    },
    snapshot: async () => {
      const weight = floatTensor(gammas(), [channelsOf(search)]);
      return { state: new Map([['bn.weight', weight]]), momentum: new Map([['bn.weight', weight]]) };
    },
  };
  const directory = RunDirectory.at(path);
  await directory.writeMaskIndex({ channels: channelsOf(search), first: completed, ratios });
  return {
    phase: 'search',
    directory,
    model: model as NativeModel,
    trainer: trainer as NativeTrainer,
    data: { train: {} as NativeDataset, test: {} as NativeDataset },
    settings: {
      epochs: search.epochs,
      lr: search.lr,
      schedule: search.schedule,
      momentum: 0.9,
      weightDecay: 1e-4,
      batchSize: 1,
      testBatchSize: 1,
      precision: 'fp32',
      seed: 1,
      keepCheckpoints: 'all',
    },
    energy: RunMeter.off(),
    network: { arch: 'scripted', depth: 0, classes: 1, cfg: search.bn_sizes, convolutions: [] },
    identityHash: '',
    adds: { first: 0, inner: 0, linear: 0 },
    detection: {
      ratios,
      watch: new TicketWatch(ratios, search.bn_sizes, {
        name: 'hamming',
        settings: { ...REFERENCE_DETECTOR, threshold },
      }),
      stopAtTicket: false,
      drawing: { criterion: 'gamma', budget: 'channels', seed: 1 },
    },
    start: { completed, best: 0, metrics: [] },
  };
}

function passed(loss: number, top1: number): PassResult {
  return {
    images: 1,
    steps: 1,
    seconds: 1,
    loss,
    lossBatchMean: loss,
    top1,
    top1BatchMean: top1,
    top5: 100,
    top5BatchMean: 100,
    waited: 0,
    bad: [],
  };
}

function trainMetrics(search: SearchJson, epoch: number): [loss: number, top1: number] {
  const [, from, by] = understood(/^([\d.]+) - ([\d.]+)\*epoch$/, search.train_loss_formula);
  const [, less] = understood(/^round\(test_accuracy - ([\d.]+), 2\)$/, search.train_accuracy_formula);
  return [Number(from) - Number(by) * epoch, round2(search.test_accuracy_per_epoch[epoch]! - Number(less))];
}

function understood(pattern: RegExp, formula: string): RegExpExecArray {
  const match = pattern.exec(formula);
  if (!match) throw new Error(`this formula is not understood: '${formula}'`);
  return match;
}
