/** Savings of a ticket in seconds beside those in FLOPs, as the two need not be alike. */
import { basename, dirname } from 'node:path';
import { spread } from '../measure';
import { RunDirectory } from '../run/directory';
import type { EpochMetrics } from '../run/metrics';
import type { PruneReport } from './report';

/** Costs of a ticket over those of its dense network. */
export interface TicketSpeed {
  /** Ratio of the seconds of a training step, measured on this machine; null where one of the two was not. */
  step: number | null;
  /** Ratio of the forward FLOPs of one image. */
  flops: number;
}

/** One sentence on the speed, and a second one where the ticket is not faster. */
export function speedText({ step, flops }: TicketSpeed): string {
  const share = `${flops.toFixed(2)}x the FLOPs`;
  if (step === null)
    return `The ticket has ${share} of the dense network; the seconds of their steps were not measured.`;
  const slow = step >= 1 ? ' The ticket is not faster than the dense network on this machine.' : '';
  return `A training step of the ticket takes ${step.toFixed(2)}x the seconds of the dense network's, at ${share}.${slow}`;
}

/** Speed by the epochs of a run: medians of their training passes, an image each. */
export function speedOfRun(
  dense: { flops: number; metrics: readonly EpochMetrics[] },
  ticket: { flops: number; metrics: readonly EpochMetrics[] },
): TicketSpeed {
  const rate = (metrics: readonly EpochMetrics[]) =>
    spread(metrics.map(({ imagesPerSecond }) => imagesPerSecond))?.median;
  const [before, after] = [rate(dense.metrics), rate(ticket.metrics)];
  return { step: before && after ? before / after : null, flops: ticket.flops / dense.flops };
}

/** Speed as `prune` measured it when it wrote this ticket; null where its report is not beside the file. */
export async function speedOfTicket(file: string): Promise<TicketSpeed | null> {
  const folder = RunDirectory.at(dirname(file));
  // Files of other programs may have that name, and must not stop a training.
  const report = await folder.readJson<Partial<PruneReport>>('prune.json').catch(() => null);
  const { ticket, before, after, time } = report ?? {};
  const flops = Number(after?.flops) / Number(before?.flops);
  if (typeof ticket !== 'string' || basename(ticket) !== basename(file) || !Number.isFinite(flops)) return null;
  return { step: typeof time?.ratio === 'number' ? time.ratio : null, flops };
}
