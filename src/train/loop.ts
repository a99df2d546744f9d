/**
 * The only training loop, for search and retraining alike. Before each epoch masks are drawn and an emerging ticket is
 * saved. The epoch then trains, tests, averages where asked, and writes in this order: metrics line, record.txt,
 * swa.pth.tar, checkpoint (which overlaps the next epoch). Each write is durable before the next one, so a killed run
 * resumes exactly.
 */
import { writeCheckpoint } from '../checkpoint/pth';
import { writeEnergy } from '../energy/meter';
import { phaseTotals } from '../energy/totals';
import { wasAborted } from '../errors';
import type { MaskResult } from '../native/types/model';
import type { EpochPosition, PassResult, Progress } from '../native/types/pass';
import { archName } from '../network/names';
import { drawMasks } from '../prune/draw';
import { averageValue, type CheckpointContent, checkpointValue, type Snapshot } from '../run/checkpoint';
import { CheckpointWriter, isKept, writeNamed } from '../run/checkpoint-writer';
import { CHECKPOINT, INSIDE_EPOCH } from '../run/directory';
import type { InsideEpoch } from '../run/inside-epoch';
import type { AverageMetrics, EnergyTotals, EpochMetrics } from '../run/metrics';
import { checkpointFile, epochsText, ratioKey, ticketFile } from '../run/names';
import { recordBest } from '../run/record';
import { detectorNamed } from '../ticket/detectors/table';
import { type Signals, signalsOf, type Ticket } from '../ticket/watch';
import { ClosestMasks } from './closest';
import { EpochParts, maskStops } from './inside-epoch';
import { learningRate } from './learning-rate';
import { metricsLine } from './metrics-line';
import { epochArithmetic, takeRung } from './precision/follow';
import type { TrainingOutcome, TrainingRun } from './training';

export async function runTraining(run: TrainingRun): Promise<TrainingOutcome> {
  const writer = new CheckpointWriter();
  const metrics = [...run.start.metrics];
  try {
    return await epochs(run, writer, metrics);
  } catch (error) {
    // The caller needs the first failure.
    await writePhase(run, metrics).catch(() => {});
    throw error;
  } finally {
    // Also after an abort, the checkpoint of the last complete epoch must be complete on disk.
    await writer.settle();
  }
}

/** Writes energy.json, which is the sum of `metrics` and `rest`. */
function writePhase({ directory, energy, phase }: TrainingRun, metrics: readonly EpochMetrics[], rest?: EnergyTotals) {
  return writeEnergy(directory, energy, phase, phaseTotals(phase, metrics, rest));
}

async function epochs(run: TrainingRun, writer: CheckpointWriter, metrics: EpochMetrics[]): Promise<TrainingOutcome> {
  const { directory, settings, trainer, energy, detection, precision, observer } = run;
  let { completed, best } = run.start;
  let snapshot: Snapshot | null = null;
  const { watch } = detection ?? {};
  const settled = watch && detectorNamed(watch.detector.name).settled;
  const drawnAfter = () => watch?.tickets.map(({ number }) => number - 1);
  const keeps = (epoch: number, searching: boolean) => isKept(settings.keepCheckpoints, epoch, searching, drawnAfter());
  const closest = new ClosestMasks(directory, metrics, (epoch) => keeps(epoch, true), settled);
  // The reference's programs for low precision and for ResNet-50 have a column for averages, which may be empty.
  const hasAverages = run.network.formats !== undefined || archName(run.network.arch).startsWith('resnet50_');
  const swa = run.averaging !== undefined || hasAverages;

  for (; completed < settings.epochs; completed++) {
    const epoch = completed;
    const lr = learningRate(epoch, settings.lr, settings.schedule);
    const inside = epoch === run.start.completed ? run.start.inside : undefined;
    const { newTickets, masks, ...signals } = inside ? signalsInside(inside) : await detect(run, completed, metrics);
    if (newTickets.length > 0) {
      await writer.settle();
      snapshot ??= await trainer.snapshot();
      await saveTickets(run, newTickets, signals, content(run, snapshot, completed + 1, completed, best, lr));
    }
    const detected = { epoch, ...signals, emerged: watch?.emerged ?? {} };
    if (watch) writer.add(() => closest.keep(detected));
    if (detection?.stopAtTicket && detection.watch.allEmerged) break;

    const drawn = watch?.allEmerged ?? false;
    const news = { epoch, epochs: settings.epochs, masks, loss: lossAfter(completed, metrics), drawn };
    await takeRung(precision, run.model, inside ? null : news, observer);

    observer?.epoch?.({ phase: run.phase, epoch, epochs: settings.epochs, lr });
    const batches = Math.ceil(run.data.train.count / settings.batchSize);
    const parts = new EpochParts({
      ...{ trainer, energy, writer, signals, signal: run.signal, from: inside },
      every: settings.checkpointEvery,
      masks: maskStops(run, epoch, batches),
      batches,
      file: directory.file(INSIDE_EPOCH),
      content: (now) => content(run, now, epoch, epoch, best, lr),
    });
    const { train, test, average } = await passes(run, parts, epoch, lr);
    snapshot = await trainer.snapshot();

    const spent = await parts.lap();
    const emerged = detection?.watch.emerged ?? {};
    const how = { formats: run.network.formats, precision: settings.precision, watch: precision };
    const arithmetic = epochArithmetic(run.adds, train.images, how);
    const line = metricsLine({ epoch, lr, train, test, average, arithmetic, spent, signals, emerged });
    metrics.push(line);
    const improved = test.top1 > best;
    best = Math.max(best, test.top1);
    await directory.appendMetrics(line);
    // Later epochs are in their lines only, as a new sum of all of them after each epoch would cost more and more.
    if (epoch === run.start.completed) await writePhase(run, metrics);
    await directory.writeRecord(settings.epochs, metrics, { swa });
    const written = content(run, snapshot, epoch + 1, epoch + 1, best, lr);
    if (average) {
      await writeCheckpoint(directory.file('swa.pth.tar'), averageValue(written, written.average!, average.top1));
    }
    const links = [
      ...(keeps(epoch, watch ? !watch.allEmerged : false) ? [directory.file(checkpointFile(epoch))] : []),
      ...(improved ? [directory.file('model_best.pth.tar')] : []),
    ];
    const latest = directory.file(CHECKPOINT);
    await writer.start(latest, checkpointValue(written), links, directory.file(INSIDE_EPOCH));
    observer?.metrics?.(line);
  }

  if (completed === settings.epochs) await detect(run, completed, metrics);
  await writer.settle();
  await directory.writeRecord(settings.epochs, metrics, { best: recordBest(metrics), swa });
  await writePhase(run, metrics, (await energy.lap()) ?? {});
  return { completed, metrics, best, tickets: detection?.watch.tickets ?? [] };
}

/** Detection before an epoch that had already begun, whose tickets are saved. */
const signalsInside = ({ distances, signals }: InsideEpoch): Detected => ({
  distances,
  ...(signals ? { signals } : {}),
  newTickets: [],
  masks: [],
});

/** Masks drawn before an epoch, and the tickets found in them. */
type Detected = Signals & { newTickets: Ticket[]; masks: MaskResult[] };

/** Training loss of the epoch before; null where unknown. */
const lossAfter = (completed: number, metrics: readonly EpochMetrics[]): number | null =>
  metrics.find((line) => line.completed === completed)?.train.loss ?? null;

/** Draws and stores the masks after `completed` epochs, and asks the detectors unless training is over. */
async function detect(
  { model, directory, energy, detection, settings }: TrainingRun,
  completed: number,
  metrics: readonly EpochMetrics[],
): Promise<Detected> {
  const nothing = { distances: {}, newTickets: [] };
  if (!detection) return { ...nothing, masks: [] };
  const loss = lossAfter(completed, metrics);
  return energy.metered('detect', async () => {
    const { masks } = await drawMasks(model, detection.ratios, detection.drawing);
    for (const { ratio, bits } of masks) await directory.writeMask(ratio, completed, bits);
    return { ...(completed < settings.epochs ? detection.watch.observe(masks, completed, loss) : nothing), masks };
  });
}

async function saveTickets(
  { directory, observer, detection }: TrainingRun,
  tickets: readonly Ticket[],
  signals: Signals,
  written: CheckpointContent,
): Promise<void> {
  const files = tickets.map(({ ratio, number }) => directory.file(ticketFile(ratio, number)));
  await writeNamed(files, checkpointValue(written));
  for (const { ratio, number } of tickets) {
    const file = ticketFile(ratio, number);
    const signal = signalsOf(signals)[ratioKey(ratio)] ?? null;
    const why =
      signal === null ? '' : ` (${detectorNamed(detection!.watch.detector.name).signal} ${signal.toFixed(3)})`;
    observer?.log?.(`ticket at p=${ratioKey(ratio)}% after ${epochsText(written.completed)}${why}: ${file}`);
  }
}

/**
 * Runs the passes of an epoch. A run that is aborted in one of them leaves a checkpoint, if it writes any inside
 * epochs.
 */
async function passes(run: TrainingRun, parts: EpochParts, epoch: number, lr: number) {
  try {
    const train = await parts.train((from, steps) => trainPass(run, epoch, lr, from, steps));
    if (run.settings.softPrune) await run.model.softPrune(run.settings.softPrune);
    const test = await run.energy.metered('evaluate', () => testPass(run));
    if (epoch === run.start.completed) logEager(run, train, test);
    run.data.reportBad?.('train', train.bad);
    run.data.reportBad?.('test', test.bad);
    return { train, test, average: await averagePass(run, epoch) };
  } catch (error) {
    if (wasAborted(error, run.signal)) await parts.keep();
    throw error;
  }
}

function trainPass(
  { trainer, data, settings, signal, observer }: TrainingRun,
  epoch: number,
  lr: number,
  from?: EpochPosition,
  steps?: number,
): Promise<PassResult> {
  return trainer.epoch({
    ...(from ? { from } : {}),
    ...(steps ? { steps } : {}),
    dataset: data.train,
    batchSize: settings.batchSize,
    epoch,
    lr,
    signal,
    onProgress: (progress) => observer?.progress?.('train', progress),
  });
}

function testPass({ model, data, settings, network, signal, observer }: TrainingRun): Promise<PassResult> {
  return model.evaluate({
    dataset: data.test,
    batchSize: settings.testBatchSize,
    precision: settings.precision,
    capture: settings.capture,
    ...(network.formats && settings.testRounding ? { rounding: settings.testRounding } : {}),
    signal,
    onProgress: (progress) => observer?.progress?.('test', progress),
  });
}

async function averagePass(run: TrainingRun, epoch: number): Promise<AverageMetrics | undefined> {
  const { averaging, energy, model, data, settings, signal, observer } = run;
  if (!averaging) return undefined;
  const onProgress = (progress: Progress) => observer?.progress?.('swa', progress);
  return energy.metered('average', () => averaging.add(model, epoch, { data, settings, signal, onProgress }));
}

function content(
  run: TrainingRun,
  snapshot: Snapshot,
  epoch: number,
  completed: number,
  best: number,
  lr: number,
): CheckpointContent {
  const { settings, network, identityHash, detection, averaging, precision } = run;
  return {
    snapshot,
    epoch,
    completed,
    best,
    lr,
    optimiser: settings,
    network,
    seed: settings.seed,
    identityHash,
    detectors: detection?.watch.toValue(),
    precision: precision?.toValue(),
    average: averaging?.current,
  };
}

/** Logs why steps are not captured although the device could. */
function logEager({ observer }: TrainingRun, train: PassResult, test: PassResult): void {
  if (train.whyEager) observer?.log?.(`training steps are not captured: ${train.whyEager}`);
  if (test.whyEager) observer?.log?.(`test batches are not captured: ${test.whyEager}`);
}
