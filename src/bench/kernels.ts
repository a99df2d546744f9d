/** `bench kernels`: the quantiser against a copy of memory and, beside a peer, against PyTorch's, taking turns. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../engine/device';
import { describeMachine, type Machine } from '../engine/machine';
import type { EarlybirdError } from '../errors';
import { leastOf, orderOf, type Spread, spread } from '../measure';
import type { KernelTime } from '../native/types/number-formats';
import type { BenchKernelsRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';
import { runProgram, settlePeer } from './peer';

/** One tensor; times are milliseconds of a call, over the medians of the rounds. */
export interface KernelRow {
  name: string;
  shape: number[];
  /** Each value read once and written once. */
  bytes: number;
  copy: Spread;
  quantize: Spread;
}

export type PeerRow = Partial<Record<(typeof PEERS)[number], Spread>>;

export interface KernelsBench {
  machine: Machine;
  date: string;
  device: string;
  threads: number;
  bits: number;
  repetitions: number;
  rounds: number;
  kernels: KernelRow[];
  /** By the names of the kernels' tensors. */
  peer: Record<string, PeerRow>;
  /** Speed of the quantiser over that of a copy, beyond the caches; and over the peer's, the least of all shapes. */
  ratios: { copy: number | null; eager: number | null; compiled: number | null };
  /** Of the peer's, by shape. */
  peerRatios: Record<string, { eager: number | null; compiled: number | null }>;
  /** Why the peer gave no figure. */
  failure?: string;
}

/** The variants of peer_quant.py: many kernels a call, or torch.compile. */
const PEERS = ['eager', 'compiled'] as const;
/** Of both tensors of a copy; no cache holds as much. */
const BEYOND_CACHES = 256 << 20;

export async function benchKernels(asked: BenchKernelsRecipe, options: RunOptions = {}): Promise<KernelsBench> {
  const recipe = settlePeer(asked, 'peer_quant.py', options.observer?.log);
  const { bits, repetitions, rounds, peer } = recipe;
  const { addon, device } = openEngine(recipe, options.observer?.log);
  const { threads } = addon.runtime();
  const ours: KernelTime[][] = [];
  const theirs: PeerRecord['quantize'][] = [];
  let failure: string | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const system of orderOf(peer === undefined ? (['ours'] as const) : (['ours', 'peer'] as const), round)) {
      if (system === 'ours') {
        ours.push(
          await addon.benchKernels({ device, bits, repetitions, ...(options.signal && { signal: options.signal }) }),
        );
      } else if (failure === undefined) {
        try {
          theirs.push((await runPeer(recipe, device, threads, options)).quantize);
        } catch (error) {
          if (options.signal?.aborted) throw error;
          failure = (error as EarlybirdError).message;
        }
      }
      options.observer?.log?.(
        `round ${round + 1}/${rounds} ${system}${system === 'peer' && failure ? `: ${failure}` : ''}`,
      );
    }
  }
  const kernels = kernelRows(ours);
  const peerRows = peerRowsOf(theirs);
  return {
    machine: await describeMachine({ addon, device }, options.commandLine),
    date: new Date().toISOString().slice(0, 10),
    device,
    threads,
    bits,
    repetitions,
    rounds,
    kernels,
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

function peerRowsOf(rounds: PeerRecord['quantize'][]): Record<string, PeerRow> {
  const names = Object.keys(rounds[0] ?? {});
  const row = (name: string): PeerRow =>
    Object.fromEntries(
      PEERS.flatMap((mode) => {
        const times = spread(rounds.flatMap((round) => round[name]?.[mode]?.ms.median ?? []));
        return times ? [[mode, times]] : [];
      }),
    );
  return Object.fromEntries(names.map((name) => [name, row(name)]));
}

function ratiosOf(kernels: KernelRow[], peer: Record<string, PeerRow>): Pick<KernelsBench, 'ratios' | 'peerRatios'> {
  const peerRatios = Object.fromEntries(
    kernels
      .filter(({ name }) => peer[name])
      .map(({ name, quantize }) => {
        const over = (mode: (typeof PEERS)[number]) => {
          const times = peer[name]![mode];
          return times ? times.median / quantize.median : null;
        };
        return [name, { eager: over('eager'), compiled: over('compiled') }];
      }),
  );
  const over = (mode: (typeof PEERS)[number]) => leastOf(Object.values(peerRatios).map((row) => row[mode]));
  const large = kernels.filter(({ bytes }) => bytes >= BEYOND_CACHES);
  return {
    ratios: {
      copy: leastOf(large.map(({ copy, quantize }) => copy.median / quantize.median)),
      eager: over('eager'),
      compiled: over('compiled'),
    },
    peerRatios,
  };
}

/** What the peer writes, as far as it is read here. */
interface PeerRecord {
  quantize: Record<string, Partial<Record<(typeof PEERS)[number], { ms: { median: number } }>>>;
}

async function runPeer(
  { peer, python = 'python3', bits, repetitions, timeout }: BenchKernelsRecipe,
  device: string,
  threads: number,
  options: RunOptions,
): Promise<PeerRecord> {
  const folder = await mkdtemp(join(tmpdir(), 'earlybird-bench-'));
  try {
    const file = join(folder, 'record.json');
    const flags = { device, bits, reps: repetitions, threads, json: file };
    const words = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, String(value)]);
    await runProgram(python, [join(peer!, 'peer_quant.py'), ...words], { timeout }, options);
    return JSON.parse(await readFile(file, 'utf8')) as PeerRecord;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
