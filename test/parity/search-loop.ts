import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/pth';
import { isDict } from '../../src/checkpoint/value';
import { EarlyBird, REFERENCE_DETECTOR } from '../../src/experiment/early-bird';
import { maskFromGammas } from '../../src/experiment/mask';
import { recordBest, round2 } from '../../src/experiment/record';
import { RunDirectory } from '../../src/experiment/run-directory';
import { TicketWatch } from '../../src/experiment/ticket-watch';
import { runTraining, type TrainingRun } from '../../src/experiment/training-run';
import type { MaskResult, NativeDataset, NativeModel, NativeTrainer, PassResult } from '../../src/native/types';
import type { StateDict } from '../../src/tensor';
import { Checks } from './lib/checks';
import { floatsOf, floatTensor } from './lib/tensors';

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

interface EventJson {
  epoch: number;
  event: 'train' | 'save';
  lr?: number;
  file?: string;
  epoch_field?: number;
  best_prec1?: number;
  also_model_best?: boolean;
  first_gamma_at_save?: number;
}

/** Runs the product's training loop on a network that has nothing but the gammas of the file, and looks at what it leaves. */
export async function checkSearch(search: SearchJson, threshold: number): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'earlybird-parity-'));
  try {
    const checks = new Checks();
    const rates: { epoch: number; lr: number }[] = [];
    const { metrics } = await runTraining(await scripted(search, threshold, dir, rates));
    const trained = search.events.filter(({ event }) => event === 'train');
    checks.equal(
      'learning rates',
      rates,
      trained.map(({ epoch, lr }) => ({ epoch, lr })),
    );
    const saved = search.events.filter(({ event }) => event === 'save');
    await checkFiles(checks, dir, saved);
    checks.equal('record.txt', await readFile(join(dir, 'record.txt'), 'utf8'), search.record_txt);
    const best = `Best accuracy: ${recordBest(metrics)}`;
    checks.equal('printed lines', [...announcements(search, threshold), best], search.printed);
    return checks.done();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Every file that the release saved, under its name, with its epoch, best accuracy and weights; and no ticket more. */
async function checkFiles(checks: Checks, dir: string, saved: EventJson[]): Promise<void> {
  for (const { file, epoch_field, best_prec1, first_gamma_at_save } of saved) {
    const { value } = await readCheckpoint(join(dir, file!));
    if (!isDict(value)) throw new Error(`${file} holds no dictionary`);
    checks.equal(`${file} epoch`, value.get('epoch'), epoch_field);
    checks.equal(`${file} best_prec1`, value.get('best_prec1'), best_prec1);
    checks.equal(`${file} gamma`, firstGamma(stateDictOf(value)), Math.fround(first_gamma_at_save!));
  }
  const named = /^(EB-|ckpt)/;
  const present = (await readdir(dir)).filter((file) => named.test(file));
  checks.equal('files', present.sort(), saved.map(({ file }) => file!).sort());

  // model_best is the copy of the last checkpoint that improved; before, the best accuracy tells which ones did.
  let best = 0;
  for (const { file, best_prec1, also_model_best } of saved) {
    checks.equal(`${file} improves`, best_prec1! > best, also_model_best);
    best = best_prec1!;
  }
  const last = saved.findLast((event) => event.also_model_best);
  if (last)
    checks.ok(
      'model_best',
      (await readFile(join(dir, 'model_best.pth.tar'))).equals(await readFile(join(dir, last.file!))),
    );
}

const firstGamma = (state: StateDict): number => floatsOf(state.get('bn.weight')!)[0]!;

/** What the release prints: every epoch at which a detector sees a ticket, not only the first. */
function announcements(search: SearchJson, threshold: number): string[] {
  const percents = percentsOf(search);
  const detectors = percents.map(() => new EarlyBird(channelsOf(search), { ...REFERENCE_DETECTOR, threshold }));
  const lines: string[] = [];
  for (let epoch = search.start_epoch; epoch < search.epochs; epoch++) {
    for (const [i, percent] of percents.entries()) {
      const { bits } = maskFromGammas(gammasBefore(search, epoch), percent / 100);
      if (!detectors[i]!.push(bits).emerged) continue;
      lines.push(`[early_bird_${percent}] Find EB!!!!!!!!!, epoch: ${epoch}`);
    }
  }
  return lines;
}

const gammasBefore = (search: SearchJson, epoch: number): Float32Array =>
  Float32Array.from(search.gamma_before_epoch[epoch]!);
const channelsOf = (search: SearchJson): number => search.gamma_before_epoch[search.start_epoch]!.length;

/** The ratios of a run, in the order in which the release looks at them, from what it printed and saved. */
function percentsOf({ events, printed }: SearchJson): number[] {
  const names = [...printed, ...events.map(({ file }) => file ?? '')];
  const found = names.map((name) => /early_bird_(\d+)|^EB-(\d+)-/.exec(name)).filter((match) => match !== null);
  return [...new Set(found.map((match) => Number(match[1] ?? match[2])))].sort((a, b) => a - b);
}

/** A run whose model, trainer and data only play back the file. */
async function scripted(
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
    network: { arch: 'scripted', depth: 0, classes: 1, cfg: search.bn_sizes },
    identityHash: '',
    detection: {
      ratios,
      watch: new TicketWatch(ratios, channelsOf(search), { ...REFERENCE_DETECTOR, threshold }),
      stopAtTicket: false,
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
