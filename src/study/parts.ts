/** Runs the parts of a study: one after another in this process, or several at once as processes of their own. */
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { availableCores } from '../cores';
import { runApart } from '../engine/apart';
import { requestedDevice } from '../engine/device';
import { openSession, type Session } from '../engine/session';
import type { EarlybirdError, ErrorCode } from '../errors';
import { networkText } from '../network/file';
import type { StudyRecipe } from '../recipe/recipe';
import type { RunOptions } from '../run/observer';

/** A search, or an entry. */
export interface Part {
  key: string;
  name: string;
  /** Work in epochs of the dense network; those of a ticket count by its share of it. */
  work: number;
  /** Result in a word or two; null until it is finished. */
  outcome(): Promise<string | null>;
  run(options: RunOptions, session: Session): Promise<void>;
}

export interface Progress {
  part: Part;
  failure: EarlybirdError | null;
}

/** Errors that concern one part only; any other ends the study. */
const OWN_FAILURES: ErrorCode[] = [
  'ERR_PRUNE',
  'ERR_NUMERIC',
  'ERR_OUT_OF_MEMORY',
  'ERR_CHECKPOINT',
  'ERR_TORCH',
  'ERR_MODEL',
  'ERR_SHAPE',
];

/** Runs the parts, calling `done` after each. Throws an error that ends the study once no other part is running. */
export async function runParts(
  recipe: StudyRecipe,
  parts: readonly Part[],
  options: RunOptions,
  done: (progress: Progress) => Promise<void>,
): Promise<void> {
  const queue = [...parts];
  let stopped: unknown = null;
  using own = new OwnSession(recipe, options);
  const apart = recipe.jobs > 1;
  const work = async () => {
    for (let part = queue.shift(); part && stopped === null; part = queue.shift()) {
      try {
        options.signal?.throwIfAborted();
        const failure = await outcomeOf(apart ? runInProcess(recipe, part, options) : own.run(part));
        await done({ part, failure });
      } catch (error) {
        stopped ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(recipe.jobs, parts.length) }, work));
  if (stopped !== null) throw stopped;
}

async function outcomeOf(run: Promise<void>): Promise<EarlybirdError | null> {
  try {
    await run;
    return null;
  } catch (error) {
    if (OWN_FAILURES.includes((error as EarlybirdError).code)) return error as EarlybirdError;
    throw error;
  }
}

/** Opens the images once, when the first part needs them. */
class OwnSession implements Disposable {
  private session: Session | null = null;

  constructor(
    private readonly recipe: StudyRecipe,
    private readonly options: RunOptions,
  ) {}

  async run(part: Part): Promise<void> {
    this.session ??= await openSession(this.recipe, this.options);
    await part.run(this.options, this.session);
  }

  [Symbol.dispose](): void {
    this.session?.[Symbol.dispose]();
  }
}

async function runInProcess(recipe: StudyRecipe, { key }: Part, options: RunOptions): Promise<void> {
  const { gpuIds, noCuda, dryRun, merge, shard, jobs, threads, imagesPerSecond, assumeEmergence, ...flags } = recipe;
  const share = Math.max(1, Math.floor((threads ?? availableCores().usable) / jobs));
  const { force } = options;
  const arch = await archFlag(recipe);
  const own = {
    ...flags,
    arch,
    ...(force ? { force } : {}),
    device: requestedDevice(recipe),
    threads: share,
    only: key,
  };
  await runApart(['study'], own, {}, options);
}

/** Value of --arch for another process, which gets a network that is data as a file. */
async function archFlag({ arch, save }: StudyRecipe): Promise<string> {
  if (typeof arch === 'string') return arch;
  const file = join(save, 'network.json');
  await writeFileAtomic(file, Buffer.from(networkText(arch)));
  return file;
}
