/** The other ranks: they do what rank 0 tells them, and keep nothing but their models and trainers. */
import type { EarlybirdError } from '../errors';
import { disposing } from '../native/owned';
import type { NativeAddon } from '../native/types/addon';
import type { NativeDataset } from '../native/types/dataset';
import type { NativeHandle } from '../native/types/handle';
import type { ModelSpec, NativeModel } from '../native/types/model';
import type { TrainerOptions } from '../native/types/trainer';
import type { Facts, Ranks, Word } from './ranks';

/** The images of this rank, opened as rank 0 opened its own. */
export interface FollowedData extends Disposable {
  addon: NativeAddon;
  sets: Record<string, NativeDataset | undefined>;
  device: string;
  facts: Facts;
}

/** What rank 0 ended with. */
export type LastWord = Extract<Word, { do: 'end' }>;

export type OpenData = (settings: unknown, train: boolean) => Promise<FollowedData>;

/** Follows until rank 0 ends; returns its last word. Rejects with what fails here. */
export async function follow(ranks: Ranks, openData: OpenData, signal?: AbortSignal): Promise<LastWord> {
  const handles = new Map<number, NativeHandle>();
  let data: FollowedData | null = null;
  const close = () => {
    disposing([...handles.values()])[Symbol.dispose]();
    handles.clear();
    data?.[Symbol.dispose]();
    data = null;
  };
  try {
    while (true) {
      const word = await ranks.listen();
      if (word.do === 'end') return word;
      if (word.do === 'open') {
        close();
        data = await openData(word.settings, word.train);
        await ranks.answer(data.facts);
        continue;
      }
      await obey(word, ranks, data!, handles, signal);
    }
  } finally {
    close();
  }
}

async function obey(
  word: Exclude<Word, { do: 'end' | 'open' }>,
  ranks: Ranks,
  { addon, sets, device }: FollowedData,
  handles: Map<number, NativeHandle>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (word.do === 'make') {
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
    const { $handle, $set } = given as { $handle?: number; $set?: string };
    if ($handle !== undefined) return handles.get($handle);
    if ($set !== undefined) return sets[$set];
    const entries = Object.entries(given).map(([name, item]) => [name, value(item)]);
    // A pass is stopped by any rank.
    return Object.fromEntries('dataset' in given ? [...entries, ['signal', signal]] : entries);
  };
  const run = (handle as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[method]!;
  await run.apply(handle, args.map(value)).catch((error: EarlybirdError) => {
    // All ranks stop after the same step, and rank 0 says what follows.
    if (error.code !== 'ERR_ABORTED') throw error;
  });
}
