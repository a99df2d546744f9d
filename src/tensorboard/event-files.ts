/**
 * Event files of the runs in a folder. A file has the contents of metrics.jsonl: where epochs were taken back (by a
 * resume or --force), a new file replaces the old one, so that no step occurs twice.
 */
import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { EarlybirdError, onDisk } from '../errors';
import type { EpochMetrics } from '../run/metrics';
import { type FoundRun, findRuns } from '../watch/find';
import { RunReader, type Stage } from '../watch/read';
import { type EventMessage, encodeEvent, SESSION_START } from './messages';
import { framed } from './records';
import { endValue, hparamsValues, matrixValue, stepsOf } from './values';

/** Matches names that TensorBoard looks for and whose ending marks them as ours to replace. */
const OWN = /^events\.out\.tfevents\.\d+\.earlybird$/;

/** Contents of the event file of a stage. */
interface Written {
  file: string;
  lines: string[];
  ended: boolean;
  /** Time of its last event. */
  time: number;
}

/**
 * TensorBoard's event files of all runs in and under folders; `update` brings them up to date.
 *
 * @example
 * await new EventFiles(['runs']).update(); // then: tensorboard --logdir runs
 */
export class EventFiles {
  private readonly readers = new Map<string, RunReader>();
  private readonly written = new Map<string, Written>();

  constructor(private readonly folders: readonly string[]) {}

  /**
   * Writes new events. Returns the paths of all event files.
   *
   * @throws ERR_FILE where a run cannot be read, or its folder cannot be written to
   */
  async update(): Promise<string[]> {
    for (const found of await findRuns(this.folders)) {
      const reader = this.readers.get(found.folder) ?? new RunReader(found, () => {});
      this.readers.set(found.folder, reader);
      const run = await reader.read();
      if (run.problem !== undefined) throw new EarlybirdError('ERR_FILE', `${found.folder}: ${run.problem}`);
      for (const stage of run.stages) if (stage.metrics.length > 0) await this.updateStage(found, stage);
    }
    return [...this.written.values()].map(({ file }) => file);
  }

  private async updateStage(found: FoundRun, stage: Stage): Promise<void> {
    const folder = join(found.folder, stage.name);
    const lines = stage.metrics.map((line) => JSON.stringify(line));
    const before = this.written.get(folder);
    const { finished } = stage;
    const same = before?.lines.every((line, i) => line === lines[i]) ?? false;
    if (same && before!.lines.length === lines.length && before!.ended === finished) return;
    const goesOn = before !== undefined && same && !before.ended;
    const fresh = stage.metrics.slice(goesOn ? before.lines.length : 0);
    const head = goesOn ? [] : await headOf(stage);
    const events = [...head, ...(await eventsOf(stage, fresh, goesOn ? before.time : 0))];
    const bytes = framed(await Promise.all(events.map(encodeEvent)));
    const file = goesOn ? before.file : join(folder, `events.out.tfevents.${Math.floor(now())}.earlybird`);
    if (goesOn) await onDisk(file, 'written', () => appendFile(file, bytes));
    else await replaceOwn(folder, file, bytes);
    this.written.set(folder, { file, lines, ended: finished, time: events.at(-1)!.wallTime });
  }
}

const now = () => Date.now() / 1000;

async function replaceOwn(folder: string, file: string, bytes: Uint8Array): Promise<void> {
  const old = (await readdir(folder)).filter((name) => OWN.test(name));
  for (const name of old) await onDisk(join(folder, name), 'removed', () => rm(join(folder, name), { force: true }));
  await writeFileAtomic(file, bytes);
}

/** First events of a file. They make a TensorBoard that shows an older file of this run forget its steps. */
async function headOf({ recipe, metrics }: Stage): Promise<EventMessage[]> {
  const begin = now() - secondsOf(metrics);
  return [
    { wallTime: begin, fileVersion: 'brain.Event:2' },
    { wallTime: begin, step: 0, sessionLog: { status: SESSION_START } },
    { wallTime: begin, step: 0, summary: { value: await hparamsValues(recipe, begin) } },
  ];
}

/**
 * Events of new lines. Times are those of a training without pauses that ends now; the matrices in their current state
 * belong to the last step.
 */
async function eventsOf(stage: Stage, lines: readonly EpochMetrics[], since: number): Promise<EventMessage[]> {
  const [last] = lines.slice(-1);
  const scalars = lines.flatMap((line, i) => {
    const wallTime = Math.max(since, now() - secondsOf(lines.slice(i + 1)));
    return stepsOf(line).map(({ step, values }) => ({ wallTime, step, summary: { value: values } }));
  });
  const images = last ? await Promise.all(stage.matrices.map(matrixValue)) : [];
  const at = { wallTime: now(), step: last?.completed ?? stage.metrics.at(-1)!.completed };
  return [
    ...scalars,
    ...(images.length > 0 ? [{ ...at, summary: { value: images } }] : []),
    ...(stage.finished ? [{ ...at, summary: { value: [await endValue(at.wallTime)] } }] : []),
  ];
}

const secondsOf = (lines: readonly EpochMetrics[]) =>
  lines.reduce((sum, { seconds, energy }) => sum + (energy?.whole?.seconds ?? seconds.train + seconds.evaluate), 0);
