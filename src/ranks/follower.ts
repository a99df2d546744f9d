/** The ranks other than 0, which do what rank 0 tells them, and keep nothing but their models and trainers. */
import { EarlybirdError } from '../errors';
import { disposing } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { NativeDataset } from '../native/types/dataset';
import type { MeterOptions } from '../native/types/energy';
import type { NativeHandle } from '../native/types/handle';
import type { KernelTable } from '../native/types/kernels';
import type { ModelSpec, NativeModel } from '../native/types/model';
import type { TrainerOptions } from '../native/types/trainer';
import { RankMeter } from './meters';
import type { Facts, Ranks, Word } from './ranks';

/** Engine on which this rank computes. */
export interface Followed {
  addon: NativeAddon;
  device: string;
}

/** The images of this rank, opened as rank 0 opened its own. */
export interface FollowedData extends Disposable {
  sets: Record<string, NativeDataset | undefined>;
  facts: Facts;
}

/** The last word of rank 0. */
export type LastWord = Extract<Word, { do: 'end' }>;

export type OpenData = (settings: unknown, train: boolean) => Promise<FollowedData>;

/** Does what rank 0 says until it ends; returns its last word. Rejects with any error of this rank. */
export async function follow(
  ranks: Ranks,
  engine: Followed,
  openData: OpenData,
  signal?: AbortSignal,
): Promise<LastWord> {
  const handles = new Map<number, NativeHandle>();
  let data: FollowedData | null = null;
  try {
    while (true) {
      const word = await ranks.listen();
      if (word.do === 'end') return word;
      if (word.do === 'open') {
        data?.[Symbol.dispose]();
        data = null;
        data = await openData(word.settings, word.train);
        await ranks.answer(data.facts);
        continue;
      }
      await obey(word, ranks, { ...engine, sets: data?.sets ?? {} }, handles, signal);
    }
  } finally {
    disposing([...handles.values(), ...(data ? [data] : [])])[Symbol.dispose]();
  }
}

async function obey(
  word: Exclude<Word, { do: 'end' | 'open' }>,
  ranks: Ranks,
  { addon, device, sets }: Followed & Pick<FollowedData, 'sets'>,
  handles: Map<number, NativeHandle>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (word.do === 'make') {
    if (word.what === 'meter') {
      const options = { ...(word.options as MeterOptions), device };
      handles.set(word.id, await RankMeter.open(addon, options, ranks));
      return;
    }
    if (word.what === 'trainer') {
      const model = handles.get(word.model) as NativeModel;
      handles.set(word.id, await addon.createTrainer(model, word.options as TrainerOptions));
      return;
    }
    const spec = { ...(word.spec as ModelSpec), device, ranks: ranks.group, syncNorms: ranks.options.syncBn };
    const model = await addon.createModel(spec);
    handles.set(word.id, model);
    await model.share();
    return;
  }
  const { on, method, args } = word;
  const handle = handles.get(on)!;
  if (method === 'dispose') {
    handle.dispose();
    handles.delete(on);
    return;
  }
  const value = (given: unknown): unknown => {
    if (typeof given !== 'object' || given === null) return given;
    if (Array.isArray(given)) return given.map(value);
    const { $handle, $set, $signal } = given as { $handle?: number; $set?: string; $signal?: true };
    if ($handle !== undefined) return handles.get($handle);
    if ($set !== undefined) return sets[$set];
    // Any rank can stop what rank 0 can stop.
    if ($signal) return signal;
    return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, value(item)]));
  };
  const run = (handle as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[method]!;
  const done = await run.apply(handle, args.map(value)).catch((error: EarlybirdError) => {
    // All ranks stop after the same step, and rank 0 decides what follows.
    if (error.code !== 'ERR_ABORTED') throw error;
  });
  if (method === 'chooseKernels' && ranks.options.syncBn)
    requireSameKernels((args[0] as { given: KernelTable }).given, done as KernelTable, ranks);
}

/**
 * Throws ERR_RANKS where this rank cannot take the kernels of rank 0. Some join BatchNorm and convolution, after which
 * the sums over ranks of --sync-bn come in another order than that of rank 0.
 */
function requireSameKernels(given: KernelTable, own: KernelTable, { place }: Ranks): void {
  const other = Object.keys(given).find((name) => own[name] !== given[name]);
  if (other === undefined) return;
  throw new EarlybirdError(
    'ERR_RANKS',
    `Rank ${place.rank} lacks the ${given[other]} kernel that rank 0 chose (${other}), and --sync-bn needs the same ones: ` +
      'run all ranks on processors of one kind, or with EARLYBIRD_KERNELS=direct.',
  );
}
