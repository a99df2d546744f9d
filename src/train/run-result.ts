/** Makes result.json of a finished run. */
import { methodText, readEnergy } from '../energy/file';
import { epochsTotal } from '../energy/totals';
import type { NativeModel } from '../native/types/model';
import type { MultiplyAdds } from '../network/bit-operations';
import { costsOf } from '../network/flops';
import type { RunDirectory } from '../run/directory';
import { ratioKey, ticketFile } from '../run/names';
import { recordBest } from '../run/record';
import { type RunResult, secondsOf } from '../run/result';
import { arithmeticOver } from './precision/follow';
import type { TrainingOutcome } from './training';

/** The result of a run that trained `model`, whose multiply-adds are `adds`. */
export async function resultOf(
  command: RunResult['command'],
  directory: RunDirectory,
  model: NativeModel,
  { metrics, completed, best, tickets }: TrainingOutcome,
  adds: MultiplyAdds,
): Promise<RunResult> {
  const average = metrics.at(-1)?.swa;
  const total = epochsTotal(metrics);
  const sources = (await readEnergy(directory.path))?.sources ?? [];
  return {
    command,
    directory: directory.path,
    completed,
    top1Last: metrics.at(-1)?.test.top1 ?? null,
    top1Best: metrics.length > 0 ? best : null,
    bestPrec1: recordBest(metrics),
    swa: average ? { ...average, file: directory.file('swa.pth.tar') } : null,
    tickets: Object.fromEntries(
      tickets.map(({ ratio, number }) => [
        ratioKey(ratio),
        { file: directory.file(ticketFile(ratio, number)), completed: number - 1 },
      ]),
    ),
    ...(await costsOf(model)),
    multiplyAdds: adds,
    arithmetic: arithmeticOver(metrics),
    seconds: secondsOf(metrics),
    joules: total?.joules ?? null,
    joulesBy: methodText(sources, total),
  };
}
