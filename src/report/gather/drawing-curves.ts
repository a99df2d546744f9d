/**
 * Collects accuracy after retraining against the epoch a ticket was drawn at (paper Fig. 1), from finished runs of
 * train and retrain.
 */
import { readCheckpoint } from '../../checkpoint/read';
import { EarlybirdError } from '../../errors';
import type { Arch } from '../../native/types/network-data';
import { networkName } from '../../network/names';
import type { TrainRecipe } from '../../recipe/recipe';
import { ticketOf } from '../../run/checkpoint-network';
import { RunDirectory } from '../../run/directory';
import type { RunResult } from '../../run/result';
import type { TrainResult } from '../../train/eb-train';
import type { DrawingCurve } from '../input';

interface Outcome {
  name: string;
  /** Ratio and epoch of the ticket; null for the dense network. */
  ticket: { ratio: number; epoch: number } | null;
  top1: number;
}

/**
 * Curves: one for each network and ratio; `titles` name the network of each folder. A dense run among the folders gives
 * the horizontal line. Throws ERR_FILE.
 */
export async function drawingCurves(
  folders: readonly string[],
  titles: readonly (string | undefined)[] = [],
): Promise<DrawingCurve[]> {
  const outcomes = (await Promise.all(folders.map((folder, i) => outcomesOf(folder, titles[i])))).flat();
  const curves = new Map<string, DrawingCurve>();
  for (const { name, ticket, top1 } of outcomes) {
    if (!ticket) continue;
    const key = `${name} ${ticket.ratio}`;
    const dense = outcomes.find((other) => other.name === name && other.ticket === null)?.top1 ?? null;
    const curve = curves.get(key) ?? { name, ratio: ticket.ratio, points: [], dense };
    curve.points.push({ epoch: ticket.epoch, top1 });
    curves.set(key, curve);
  }
  for (const { points } of curves.values()) points.sort((a, b) => a.epoch - b.epoch);
  return [...curves.values()];
}

type Params =
  | { command: 'train'; recipe: TrainRecipe }
  | { command: 'retrain' | 'search'; recipe: { arch: Arch; depth: number; cfg?: unknown[]; scratch?: string } };

async function outcomesOf(folder: string, title: string | undefined): Promise<Outcome[]> {
  const run = RunDirectory.at(folder);
  const params = await run.readJson<Params>('params.json');
  const result = await run.readJson<RunResult | TrainResult>('result.json');
  if (!params || !result) {
    throw new EarlybirdError('ERR_FILE', `${folder} holds no finished run: give folders of train or retrain.`);
  }
  const name = title ?? networkName(params.recipe.arch, params.recipe.depth!, params.recipe.cfg);
  if (params.command === 'train') {
    const { ticket, retrain, search } = result as TrainResult;
    const { percent: ratio, compareDense } = params.recipe;
    return [
      outcome(folder, name, { ratio, epoch: ticket.completed }, retrain),
      ...(compareDense ? [outcome(folder, name, null, search)] : []),
    ];
  }
  const { scratch } = params.recipe;
  if (scratch === undefined) return [outcome(folder, name, null, result as RunResult)];
  const drawn = ticketOf((await readCheckpoint(scratch)).value);
  if (!drawn) {
    throw new EarlybirdError('ERR_FILE', `${scratch} does not say when it was drawn: prune it with earlybird prune.`);
  }
  return [outcome(folder, name, drawn, result as RunResult)];
}

function outcome(folder: string, name: string, ticket: Outcome['ticket'], { top1Last }: RunResult): Outcome {
  if (top1Last === null) throw new EarlybirdError('ERR_FILE', `${folder} holds a run without an epoch.`);
  return { name, ticket, top1: top1Last };
}
