/** `bench kernels`: the quantiser against a copy of memory and, beside a peer, against PyTorch's, run in turns. */
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import { flagWords } from '../engine/program';
import { EarlybirdError } from '../errors';
import { ratioOf, type Spread, smallest, spread } from '../measure';
import type { KernelTime } from '../native/types/number-formats';
import type { QUANTISER_MODES } from '../recipe/benchmarks';
import type { Format } from '../recipe/precision';
import type { BenchKernelsRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { peerRecord, settlePeer } from './peer';
import { OURS, takeTurns } from './rounds';

/** Times of one tensor, in milliseconds a call, over the medians of the rounds. */
export interface KernelRow {
  name: string;
  shape: number[];
  /** Bytes moved: each value is read once and written once. */
  bytes: number;
  copy: Spread;
  quantize: Spread;
}

type Mode = (typeof QUANTISER_MODES)[number];
type ByMode<T> = Record<Mode, T>;

/** Times of the quantiser, of a copy and of the peer. */
export interface KernelsBench {
  machine: Machine;
  device: string;
  threads: number;
  /** Word length of block floating point; null for the other formats. */
  bits: number | null;
  format: Format;
  repetitions: number;
  rounds: number;
  kernels: KernelRow[];
  /** Times of the peer, by the names of the kernels' tensors. */
  peer: Record<string, ByMode<Spread | null>>;
  /**
   * Speed of the quantiser over that of a copy beyond the caches, and over the peer's; the smallest over all shapes.
   */
  ratios: { copy: number | null } & ByMode<number | null>;
  /** Speed over the peer's, by shape. */
  peerRatios: Record<string, ByMode<number | null>>;
  /** Reason why the peer gave no figure. */
  failure?: string;
}

/** Size of both tensors of a copy, in bytes, above which no cache holds them. */
const BEYOND_CACHES = 256 << 20;

/** Fields of the record of peer_quant.py that are read here. */
interface PeerRecord {
  quantize: Record<string, Partial<ByMode<{ ms: { median: number } }>>>;
}

/** Times the quantiser. Throws ERR_USAGE for a folder without the peer, and for a peer beside a format that it does not have. */
export async function benchKernels(asked: BenchKernelsRecipe, options: RunOptions = {}): Promise<KernelsBench> {
  const { observer, signal, commandLine } = options;
  const { format, peer: asPeer = 'none' } = asked;
  const ofBlocks = format === 'bfp8';
  if (!ofBlocks && asPeer !== 'none')
    throw new EarlybirdError('ERR_USAGE', `--format ${format} is not one of the peer's: leave out --peer.`);
  const recipe = settlePeer(ofBlocks ? asked : { ...asked, peer: 'none' }, 'peer_quant.py', observer?.log);
  const { bits = 8, repetitions, rounds, modes } = recipe;
  const quantiser = ofBlocks ? { bits } : { bits, format };
  const { addon, device } = openEngine(recipe, observer?.log);
  const { threads } = addon.runtime();
  const flags = flagWords({ device, bits, reps: repetitions, threads, parts: 'quantize' });
  const words = [...flags, '--variants', ...modes];
  const ours: KernelTime[][] = [];
  const theirs: PeerRecord[] = [];
  const text = () => 'done';
  const own = {
    system: OURS,
    text,
    run: async () =>
      void ours.push(await addon.benchKernels({ device, ...quantiser, repetitions, ...(signal && { signal }) })),
  };
  const peer = {
    system: 'peer',
    text,
    run: async () => void theirs.push(await peerRecord<PeerRecord>(recipe, 'peer_quant.py', words, options)),
    isPeer: true,
  };
  const turns = await takeTurns<void>(recipe.peer === undefined ? [own] : [own, peer], rounds, options);
  const failure = turns.peer?.failure;
  const kernels = kernelRows(ours);
  const peerRows = peerRowsOf(theirs);
  return {
    machine: await describeMachine({ addon, device }, commandLine),
    ...{ device, threads, bits: ofBlocks ? bits : null, format, repetitions, rounds, kernels },
    peer: peerRows,
    ...ratiosOf(kernels, peerRows),
    ...(failure === undefined ? {} : { failure }),
  };
}

function kernelRows(rounds: KernelTime[][]): KernelRow[] {
  const medians = (kernel: KernelTime['kernel'], name: string) =>
    spread(rounds.flat().flatMap((time) => (time.kernel === kernel && time.name === name ? [time.median] : [])))!;
  return rounds[0]!
    .filter(({ kernel }) => kernel === 'copy')
    .map(({ name, shape, bytes }) => ({
      name,
      shape,
      bytes,
      copy: medians('copy', name),
      quantize: medians('quantize', name),
    }));
}

const byMode = <T>(of: (mode: Mode) => T): ByMode<T> => ({
  eager: of('eager'),
  compiled: of('compiled'),
});

function peerRowsOf(records: PeerRecord[]): KernelsBench['peer'] {
  const row = (name: string) =>
    byMode((mode) => spread(records.flatMap(({ quantize }) => quantize[name]?.[mode]?.ms.median ?? [])));
  return Object.fromEntries(Object.keys(records[0]?.quantize ?? {}).map((name) => [name, row(name)]));
}

function ratiosOf(kernels: KernelRow[], peer: KernelsBench['peer']): Pick<KernelsBench, 'ratios' | 'peerRatios'> {
  const peerRatios = Object.fromEntries(
    kernels.flatMap(({ name, quantize }) => {
      const theirs = peer[name];
      return theirs ? [[name, byMode((mode) => ratioOf(theirs[mode], quantize))]] : [];
    }),
  );
  const large = kernels.filter(({ bytes }) => bytes >= BEYOND_CACHES);
  return {
    ratios: {
      copy: smallest(large.map(({ copy, quantize }) => ratioOf(copy, quantize))),
      ...byMode((mode) => smallest(Object.values(peerRatios).map((row) => row[mode]))),
    },
    peerRatios,
  };
}
