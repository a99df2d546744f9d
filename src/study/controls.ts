/**
 * Chooses the channels that the controls keep. The same seed gives the same channels on every machine. Random channels
 * as a control are those of Frankle, Dziugaite, Roy and Carbin, "Pruning neural networks at initialization: why are we
 * missing the mark?" (ICLR 2021, section 4) and Su et al., "Sanity-checking pruning methods: random tickets can win the
 * jackpot" (NeurIPS 2020, section 4), by channels.
 */
import { Random } from '../data/random';
import type { MaskResult } from '../native/types/model';
import type { Control } from '../recipe/study';

/** One list of channels for each BatchNorm layer, in the order of the mask; true for a channel that stays. */
export type Channels = boolean[][];

/** Number of channels of each BatchNorm layer. */
type Widths = readonly number[];

/** Splits the values of all channels into one list a layer. */
export function byLayer<T>(values: readonly T[], widths: Widths): T[][] {
  let from = 0;
  return widths.map((width) => {
    from += width;
    return values.slice(from - width, from);
  });
}

export function unpack(bits: Uint8Array, widths: Widths): Channels {
  const channels = widths.reduce((a, b) => a + b, 0);
  const flat = Array.from({ length: channels }, (_, at) => (bits[at >> 3]! & (0x80 >> (at & 7))) !== 0);
  return byLayer(flat, widths);
}

/**
 * Packs channels as the program's masks are: channel 0 is the most significant bit of the first byte, padded with
 * zeros.
 */
export function pack(channels: Channels): Uint8Array {
  const flat = channels.flat();
  const bits = new Uint8Array(Math.ceil(flat.length / 8));
  for (const [i, keep] of flat.entries()) if (keep) bits[i >> 3]! |= 0x80 >> (i & 7);
  return bits;
}

const countOf = (layer: readonly boolean[]) => layer.filter(Boolean).length;

/** The mask in the form that the pruner takes, without a threshold. */
export function maskResult(ratio: number, channels: Channels): MaskResult {
  const keptPerLayer = channels.map(countOf);
  const kept = keptPerLayer.reduce((a, b) => a + b, 0);
  return { ratio, threshold: Number.NaN, kept, total: channels.flat().length, keptPerLayer, bits: pack(channels) };
}

/** Numbers of streams; different keys give unrelated streams. */
const STREAMS: Partial<Record<Control, number>> = { random: 1, shuffled: 2 };

/** The stream of a control for one seed, ratio and draw. */
export const streamOf = (control: Control, seed: number, percent: number, epoch: number) =>
  new Random(STREAMS[control]!, seed, percent, epoch);

/** Keeps as many channels in each layer as the ticket does, chosen at random. */
export function randomChannels(ticket: Channels, random: Random): Channels {
  return ticket.map((layer) => {
    const chosen = new Set(shuffle(layer.length, random).slice(0, countOf(layer)));
    return layer.map((_, channel) => chosen.has(channel));
  });
}

/** Permutes the channels of the ticket within each layer. */
export function shuffledChannels(ticket: Channels, random: Random): Channels {
  return ticket.map((layer) => {
    const from = shuffle(layer.length, random);
    return layer.map((_, channel) => layer[from[channel]!]!);
  });
}

/** Shuffles by the method of Fisher and Yates. */
function shuffle(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Keeps the channels with the largest scores: 1 - p of every layer, and at least one. Of equal ones the first stay. */
export function uniformChannels(scores: readonly number[][], ratio: number): Channels {
  return scores.map((layer) => {
    const keep = Math.max(1, Math.round((1 - ratio) * layer.length));
    const order = Array.from(layer.keys()).sort((a, b) => layer[b]! - layer[a]! || a - b);
    const chosen = new Set(order.slice(0, keep));
    return Array.from(layer, (_, channel) => chosen.has(channel));
  });
}
