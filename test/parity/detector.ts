import type { DetectorSettings } from '../../src/recipe/detectors';
import { EarlyBird } from '../../src/ticket/detector';
import { TicketWatch } from '../../src/ticket/watch';
import type { Case } from './lib/case';
import { Checks } from './lib/checks';
import type { Context } from './lib/networks';
import type { SearchJson } from './lib/scripted-run';
import { bytesOfHex } from './lib/tensors';
import { checkSearch } from './search-loop';

interface SequenceJson {
  case: string;
  N: number;
  epoch_keep: number;
  first_emerged_step: number | null;
  steps: { mask_hex: string; held: number; distances: number[] | null; emerged: boolean }[];
  [suffix: `file_suffix_if_start_epoch_${number}`]: number | null;
}

interface DetectorJson {
  threshold: number;
  sequences: SequenceJson[];
  search_loops: SearchJson[];
}

/** Decisions on sequences of masks, and the search loop: the files that it saves, with their times, names and rates. */
export function* cases({ reference }: Context): Iterable<Case> {
  const { threshold, sequences, search_loops } = reference.json<DetectorJson>('detector.json');
  for (const sequence of sequences) {
    const { case: name, N, epoch_keep } = sequence;
    yield { name: `detector ${name} (N = ${N}, window ${epoch_keep})`, run: () => checkSequence(sequence, threshold) };
  }
  for (const search of search_loops) {
    yield { name: `detector search loop: ${search.case}`, run: () => checkSearch(search, threshold) };
  }
}

function checkSequence(sequence: SequenceJson, threshold: number): string {
  const options = { window: sequence.epoch_keep, threshold, rule: 'reference' } as const;
  const detector = new EarlyBird(sequence.N, options);
  const checks = new Checks();
  let first: number | null = null;
  for (const [step, want] of sequence.steps.entries()) {
    const seen = detector.push(bytesOfHex(want.mask_hex));
    checks.equal(`step ${step} held`, detector.state.length, want.held);
    checks.equal(`step ${step} distances`, seen.distances, want.distances);
    checks.equal(`step ${step} emerged`, seen.emerged, want.emerged);
    if (seen.emerged) first ??= step;
  }
  checks.equal('first emerged step', first, sequence.first_emerged_step);
  for (const [field, suffix] of Object.entries(sequence)) {
    const start = /^file_suffix_if_start_epoch_(\d+)$/.exec(field)?.[1];
    if (start !== undefined) checks.equal(field, suffixOf(sequence, options, Number(start)), suffix);
  }
  return checks.done();
}

/** The number in the ticket's file name when the first mask is drawn after `start` epochs. */
function suffixOf(sequence: SequenceJson, settings: DetectorSettings, start: number): number | null {
  const watch = new TicketWatch([0.5], [sequence.N], { name: 'hamming', settings });
  for (const [step, { mask_hex: hex }] of sequence.steps.entries()) {
    const mask = { bits: bytesOfHex(hex), ratio: 0.5, threshold: 0, kept: 0, total: sequence.N, keptPerLayer: [] };
    const [ticket] = watch.observe([mask], start + step, null).newTickets;
    if (ticket) return ticket.number;
  }
  return null;
}
