/** Runs one command on all ranks that a launcher has started: rank 0 runs it, the others follow. */
import { join } from 'node:path';
import { EarlybirdError, type ErrorCode } from '../errors';
import { packageVersion } from '../package';
import { follow, type LastWord } from '../ranks/follower';
import { placeOf } from '../ranks/place';
import { type RankOptions, Ranks } from '../ranks/ranks';
import { flagOf } from '../recipe/option';
import type { RunOptions } from '../run/observer';
import { type DeviceOptions, type Engine, openEngine } from './device';
import { factsOf, openSession, openTestSession, type Session, type SessionOptions, type TestSession } from './session';

type Recipe = DeviceOptions & RankOptions & { save?: string };

/**
 * Runs `work` as rank 0, or follows it, where the environment says that this process is a rank; otherwise just runs it.
 * Null for a rank that followed, which has no result of its own. Throws ERR_RANKS where the ranks differ, and for a
 * rank that is lost.
 */
export async function overRanks<R>(
  recipe: Recipe,
  options: RunOptions,
  work: (options: RunOptions) => Promise<R>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<R | null> {
  const place = placeOf(env);
  if (!place) return work(options);
  const { rank, size, by } = place;
  options.observer?.log?.(`rank ${rank} of ${size} (${by})`);
  // c10d warns of every connection that ends; our own errors say what that means.
  process.env.TORCH_CPP_LOG_LEVEL ??= 'ERROR';
  const engine = openEngine({ ...recipe, place }, options.observer?.log);
  using ranks = await Ranks.join(engine, place, recipe, {
    earlybird: packageVersion(),
    LibTorch: engine.addon.loaded,
    ...optionsOf(recipe),
  });
  const folder = recipe.save === undefined ? null : join(recipe.save, 'logs');
  let last: LastWord;
  try {
    if (ranks.leads) {
      const result = await work({ ...options, ranks });
      await ranks.end();
      return result;
    }
    last = await followIn(ranks, engine, recipe, options);
  } catch (error) {
    const explained = await ranks.explain(error, folder);
    const { code = 'ERR_INTERNAL', message } = explained as Partial<EarlybirdError> & Error;
    if (ranks.leads) await ranks.end({ code, message }).catch(() => {});
    throw explained;
  }
  await ranks.takeLeave();
  if (last.code === undefined) return null;
  if (last.code === 'ERR_ABORTED') options.signal?.throwIfAborted();
  throw new EarlybirdError(last.code as ErrorCode, `${ranks.nameOf(0)} ended: ${last.message}`);
}

async function followIn(ranks: Ranks, engine: Engine, recipe: Recipe, options: RunOptions): Promise<LastWord> {
  const own = Object.fromEntries(Object.entries(recipe).filter(([key]) => OWN.has(key)));
  return follow(
    ranks,
    engine,
    async (settings, train) => {
      const open: (settings: SessionOptions, options: RunOptions) => Promise<TestSession & Partial<Session>> = train
        ? openSession
        : openTestSession;
      const session = await open({ ...(settings as SessionOptions), ...own }, { ...options, ranks });
      const { dataset, test, train: training } = session;
      const close = { [Symbol.dispose]: () => session[Symbol.dispose]() };
      return { sets: { test, train: training }, facts: factsOf(dataset), ...close };
    },
    options.signal,
  );
}

/** Options that may differ from rank to rank: paths, and properties of a machine. */
const OWN = new Set(['save', 'data', 'device', 'gpuIds', 'threads', 'workers', 'watts', 'idleSeconds', 'localRank']);

const optionsOf = (recipe: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(recipe)
      .filter(([key]) => !OWN.has(key))
      .map(([key, value]) => [`--${flagOf(key)}`, JSON.stringify(value)]),
  );
