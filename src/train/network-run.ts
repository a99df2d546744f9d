/**
 * Everything around the loop that search and retraining share: folder, data, network, trainer, resume, result. What differs
 * between them is an argument (`Variant`).
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeCheckpoint } from '../checkpoint/pth';
import { methodText, readEnergy } from '../energy/file';
import { epochsTotal } from '../energy/totals';
import { provenanceOf } from '../engine/provenance';
import { openSession, type Session } from '../engine/session';
import { EarlybirdError } from '../errors';
import type { Cfg, NativeModel } from '../native/types/model';
import { forwardFlops, parameterCount } from '../network/flops';
import { identityOf } from '../recipe/identity';
import { formatsOf } from '../recipe/precision';
import { percentOf } from '../recipe/ratio';
import type { RetrainRecipe, SearchRecipe } from '../recipe/recipe';
import { initialValue, readTrainingCheckpoint } from '../run/checkpoint';
import { modelInfo } from '../run/checkpoint-network';
import { identityHash, RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { recordBest } from '../run/record';
import { type FinishedRun, type RunResult, secondsOf } from '../run/result';
import type { StateDict } from '../tensor';
import type { DetectorOptions } from '../ticket/detector';
import { TicketWatch } from '../ticket/watch';
import { Averaging } from './averaging';
import { runTraining, type TrainingOutcome, type TrainingRun } from './loop';
import {
  averageOf,
  checkDataset,
  firstMask,
  latestOf,
  refuseEmptyRun,
  resumeFile,
  scratchHash,
  storedResult,
} from './resume';

/** What a run starts from and looks for. */
export interface Variant {
  command: 'search' | 'retrain';
  cfg?: Cfg | undefined;
  /** Weights (and selected channels) to begin with; new ones where absent. */
  weights?: StateDict;
  /** Load `weights` for their selected channels, then draw new ones. */
  reinit?: boolean;
  startEpoch: number;
  detection?: { ratios: number[]; options: DetectorOptions; stopAtTicket: boolean };
  /** Write init.pth.tar before training. */
  saveInit: boolean;
}

type NetworkRecipe = SearchRecipe | RetrainRecipe;

/** Runs, resumes, or returns the result of an earlier, finished run of the same recipe. `session` is shared, not disposed. */
export async function runNetwork(
  recipe: NetworkRecipe,
  command: 'search' | 'retrain',
  prepare: () => Promise<Variant>,
  options: RunOptions & { session?: Session },
): Promise<FinishedRun> {
  if (recipe.resume && !existsSync(recipe.resume)) {
    throw new EarlybirdError('ERR_FILE', `--resume ${recipe.resume} does not exist.`);
  }
  const identity = { ...identityOf(command, recipe), ...(await scratchHash(recipe.scratch)) };
  const { directory, state } = await RunDirectory.open(recipe.save, identity, {
    force: options.force,
    keep: recipe.resume,
  });
  if (state === 'finished') {
    options.observer?.log?.(`${recipe.save} holds this run, finished; --force runs it again`);
    return { result: await storedResult(directory), reused: true };
  }
  if (state === 'foreign' && !recipe.resume) {
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${latestOf(directory)} is there without the params.json of a run: give it as --resume, choose another --save, or give --force to start over.`,
    );
  }
  const session = options.session ?? (await openSession(recipe, options));
  try {
    const provenance = provenanceOf(session, options.commandLine);
    await checkDataset(directory, provenance);
    const stored = await directory.readJson<{ resume?: string }>('params.json');
    const from = resumeFile(directory, state, recipe.resume, stored?.resume);
    const params = { command, identity, recipe, resume: recipe.resume, seed: recipe.seed, ...provenance };
    return { result: await train(recipe, await prepare(), directory, session, from, params, options), reused: false };
  } finally {
    if (!options.session) session.dispose();
  }
}

async function train(
  recipe: NetworkRecipe,
  variant: Variant,
  directory: RunDirectory,
  session: Session,
  from: string | null,
  params: { identity: Record<string, unknown> },
  options: RunOptions,
): Promise<RunResult> {
  const { addon, device, precision, dataset } = session;
  const { arch, depth, seed, momentum, weightDecay } = recipe;
  const { classes, height: imageSize } = dataset;
  const shape = { arch, depth: depth!, classes, cfg: variant.cfg, seed, device, imageSize };
  const formats = formatsOf(recipe);
  const model = await addon.createModel({ ...shape, formats });
  let averaging: Averaging | undefined;
  try {
    if (variant.weights) await model.loadStateDict(variant.weights);
    if (variant.weights && variant.reinit) await model.reinitialise(seed);
    const description = model.describe();
    const network = modelInfo(description, formats);
    const l1 = recipe.sr ? recipe.s : 0;
    const trainer = await addon.createTrainer(model, {
      momentum,
      weightDecay,
      l1,
      precision,
      seed,
      capture: recipe.capture,
    });
    try {
      const channels = description.batchNorms.reduce((sum, layer) => sum + layer.channels, 0);
      const watch = variant.detection && new TicketWatch(variant.detection.ratios, channels, variant.detection.options);
      const start: TrainingRun['start'] = { completed: variant.startEpoch, best: 0, metrics: [] };
      const restored = from ? await readTrainingCheckpoint(from, description.parameters) : null;
      if (restored) {
        await model.loadStateDict(restored.state);
        await trainer.restoreMomentum(restored.momentum);
        watch?.restore(restored.detectors);
        start.completed = restored.completed;
        start.best = restored.best;
        options.observer?.log?.(`resumed from ${from} after ${restored.completed} epochs`);
      }
      if (recipe.swa) {
        averaging = new Averaging({
          start: recipe.swaStart,
          create: () => addon.createModel(shape),
          restored: restored ? averageOf(restored, recipe.swaStart, options.observer) : undefined,
        });
        if (recipe.swaStart >= recipe.epochs) {
          options.observer?.log?.(
            `--swa averages from epoch index ${recipe.swaStart} on, which --epochs ${recipe.epochs} never reaches: give a smaller --swa_start`,
          );
        }
      }
      await refuseEmptyRun(directory, from, start.completed, recipe.epochs);
      // From another file the run begins anew there: a later kill must not bring back the checkpoint that was left behind.
      const latest = latestOf(directory);
      if (from === null || resolve(from) !== resolve(latest)) await rm(latest, { force: true });
      await directory.writeJson('params.json', params);
      if (!from && variant.saveInit) {
        const state = await model.stateDict();
        await writeCheckpoint(directory.file('init.pth.tar'), initialValue(state, network));
      }
      start.metrics = await directory.rewind(start.completed);
      if (variant.detection) {
        const { ratios } = variant.detection;
        const first = await firstMask(directory, from, percentOf(ratios[0]!), start.completed);
        await directory.writeMaskIndex({ channels, first, ratios });
      }
      const outcome = await runTraining({
        ...options,
        phase: variant.command,
        directory,
        model,
        trainer,
        data: session,
        energy: session.energy,
        settings: { ...recipe, precision },
        network,
        identityHash: identityHash(params.identity),
        detection: variant.detection && watch && { ...variant.detection, watch },
        averaging,
        start,
      });
      const total = epochsTotal(outcome.metrics);
      const sources = (await readEnergy(directory.path))?.sources ?? [];
      const energy = { joules: total?.joules ?? null, joulesBy: methodText(sources, total) };
      const result = { ...(await resultOf(variant.command, directory, model, outcome)), ...energy };
      await directory.writeJson('result.json', result);
      return result;
    } finally {
      trainer.dispose();
    }
  } finally {
    averaging?.dispose();
    model.dispose();
  }
}

async function resultOf(
  command: Variant['command'],
  directory: RunDirectory,
  model: NativeModel,
  outcome: TrainingOutcome,
): Promise<RunResult> {
  const { metrics, completed, best, tickets } = outcome;
  const average = metrics.at(-1)?.swa;
  const description = model.describe();
  const { parameters, withIndexes } = parameterCount(description, await model.stateDict());
  return {
    command,
    directory: directory.path,
    completed,
    top1Last: metrics.at(-1)?.test.top1 ?? null,
    top1Best: metrics.length > 0 ? best : null,
    bestPrec1: recordBest(metrics),
    swa: average ? { ...average, file: directory.file('swa.pth.tar') } : null,
    tickets: Object.fromEntries(
      Object.entries(tickets).map(([percent, number]) => [
        percent,
        { file: join(directory.path, `EB-${percent}-${number}.pth.tar`), completed: number - 1 },
      ]),
    ),
    parameters,
    parametersWithIndexes: withIndexes,
    flops: forwardFlops(description.layers),
    seconds: secondsOf(metrics),
  };
}
