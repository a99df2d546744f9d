/** Repeats detection with other options on the masks that a search has stored, without training again. */
import { readdir } from 'node:fs/promises';
import { writeCheckpoint } from '../checkpoint/pth';
import { readCheckpoint } from '../checkpoint/read';
import { isDict } from '../checkpoint/value';
import { EarlybirdError } from '../errors';
import { CHECKPOINT, type RunDirectory } from '../run/directory';
import type { EpochMetrics } from '../run/metrics';
import { epochsText, parseTicketFile, ratioKey, ticketFile } from '../run/names';
import type { Observer } from '../run/observer';
import type { Ticket, TicketWatch } from '../ticket/watch';

/** Detection by the masks drawn before an epoch. */
type Detection = Pick<EpochMetrics, 'distances' | 'signals' | 'emerged'>;

/**
 * Shows `watch` the stored masks of the epochs before `completed`, as if they were drawn now, and writes the tickets
 * that emerge. Returns the detections by epoch index; null where the masks of an epoch are missing.
 */
export async function detectAnew(
  directory: RunDirectory,
  watch: TicketWatch,
  ratios: readonly number[],
  completed: number,
  observer: Observer | undefined,
): Promise<Map<number, Detection> | null> {
  const stored = await Promise.all(ratios.map((ratio) => directory.readMasks(ratio)));
  const first = stored[0]?.index.first ?? 0;
  if (stored.some((one) => one === null || one.index.first + one.rows.length < completed)) return null;
  const losses = new Map((await directory.readMetrics()).map((line) => [line.completed, line.train.loss]));
  const detections = new Map<number, Detection>();
  for (let row = first; row < completed; row++) {
    const masks = ratios.map((ratio, i) => ({ ratio, bits: stored[i]!.rows[row - first]! }));
    const { newTickets, ...signals } = watch.observe(masks, row, losses.get(row) ?? null);
    for (const ticket of newTickets) {
      const number = await writeTicket(directory, ticket, completed, observer);
      watch.renumber(ticket.ratio, number);
    }
    detections.set(row, { ...signals, emerged: watch.emerged });
  }
  return detections;
}

/**
 * Writes a ticket with the weights of its epoch, or of the next epoch whose checkpoint was kept. Returns its number.
 */
async function writeTicket(
  directory: RunDirectory,
  { ratio, number }: Ticket,
  completed: number,
  observer: Observer | undefined,
): Promise<number> {
  const drawn = number - 1;
  const kept = (await keptCheckpoints(directory, completed)).filter((one) => one.completed >= drawn);
  const source = kept.sort((a, b) => a.completed - b.completed)[0];
  if (!source) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${directory.path} holds no checkpoint of ${drawn} or more epochs to take a ticket from.`,
    );
  }
  const file = ticketFile(ratio, source.completed + 1);
  const late = source.completed > drawn ? ` (by the masks after ${drawn}, whose weights were not kept)` : '';
  observer?.log?.(
    `ticket at p=${ratioKey(ratio)}% from the stored masks, after ${epochsText(source.completed)}${late}: ${file}`,
  );
  if (source.name !== file) {
    const { value } = await readCheckpoint(directory.file(source.name));
    if (isDict(value)) await writeCheckpoint(directory.file(file), new Map(value).set('epoch', source.completed + 1));
  }
  return source.completed + 1;
}

/** Checkpoints of whole epochs in the folder of a run whose latest one has `completed` epochs. */
async function keptCheckpoints(directory: RunDirectory, completed: number) {
  const names = await readdir(directory.path);
  return names.flatMap((name) => {
    if (name === CHECKPOINT) return [{ name, completed }];
    const epoch = /^ckpt(\d+)\.pth\.tar$/.exec(name)?.[1];
    if (epoch !== undefined && Number(epoch) < completed) return [{ name, completed: Number(epoch) + 1 }];
    const ticket = /\.pth\.tar$/.test(name) ? parseTicketFile(name) : null;
    return ticket && ticket.number <= completed + 1 ? [{ name, completed: ticket.number - 1 }] : [];
  });
}
