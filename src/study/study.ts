/**
 * `study`: tickets drawn at many epochs of one dense search, retrained beside their controls, over ratios and seeds.
 * Each run has a folder of its own under --save: a finished run is not repeated, an interrupted one is continued.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import type { StudyRecipe } from '../recipe/recipe';
import { formatPercent } from '../report/format';
import { differingKeys, RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { assumedEmergence } from './estimate';
import { type Part, runParts } from './parts';
import { type Entry, entriesOf, keyOf, type MissingDraw, nameOf, searchFolder, seedsOf, shardOf } from './plan';
import { factsOf, type RunRecord, readFigures, readSearch, type SearchRecord } from './record';
import { Remaining, type Work, workOf } from './remaining';
import { checkParts, notKept, runEntry, runSearch, weightsAfter } from './run';
import { identityOfStudy, type Study, type StudyResult, summarise } from './summary';
import { drawStudy, writeStudy } from './tables';

/**
 * Runs a study, or the rest of it, and writes its tables and figures to `recipe.save`. Failed runs do not end the
 * study; they are in the result (docs/study.md).
 *
 * @param recipe from `parseRecipe('study', ...)`
 * @throws ERR_RECIPE where the folder holds the study of another recipe; as `search` does; the reason of `options.signal` once it aborts
 */
export async function study(recipe: StudyRecipe, options: RunOptions = {}): Promise<StudyResult> {
  const { observer } = options;
  checkParts(recipe);
  using lock = await lockFolder(recipe.save);
  lock.requireWritable();
  await ownFolder(recipe, options);
  const failures = new Map<string, string>();
  const write = async () => {
    const study = await readStudy(recipe, failures);
    return study && { ...study, files: await writeStudy(recipe.save, study) };
  };
  const mine = seedsOf(recipe);
  const run = new Runs(recipe, failures, options, write);
  await run.all(
    mine.map((seed) => searchPart(recipe, seed)),
    expectedWork(recipe, mine),
  );
  const { searches } = await readSearches(recipe, mine);
  if (searches.length === 0) throw nothingFinished(failures);
  const { entries } = settled(recipe, searches);
  await run.all(
    shardOf(recipe.shard, recipe.seeds, entries).map((entry) => entryPart(recipe, entry, ofSeed(searches, entry.seed))),
  );
  const result = await write();
  if (!result) throw nothingFinished(failures);
  const { figures, notes } = await drawStudy(recipe.save, result);
  for (const note of notes) observer?.log?.(note);
  return { ...result, files: [...result.files, ...figures] };
}

/**
 * Throws ERR_RECIPE where the folder holds the study of another recipe. Seeds, ratios, draws and controls may change.
 */
async function ownFolder(recipe: StudyRecipe, { force = false, commandLine }: RunOptions): Promise<void> {
  const folder = RunDirectory.at(recipe.save);
  const identity = identityOfStudy(recipe);
  const before = await folder.readJson<{ identity: Record<string, unknown> }>('params.json');
  const differences = before ? differingKeys(before.identity, identity) : [];
  if (differences.length > 0 && !force)
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${recipe.save} holds a study with another recipe (${differences.join('; ')}): choose another --save, or give --force to start over.`,
    );
  // Before the folder says whose study it is: an interruption must not leave finished runs of the other one in it.
  if (differences.length > 0) await removeRuns(recipe.save);
  await folder.writeJson('params.json', { command: 'study', identity, recipe, commandLine });
}

async function removeRuns(save: string): Promise<void> {
  // Tables and figures first: study.json must not speak of runs that are gone.
  const names = (await readdir(save)).filter((name) => /^(study(-draws|-controls)?\.[\w.]+|seed-\d+)$/.test(name));
  for (const name of names.sort().reverse()) await rm(join(save, name), { recursive: true, force: true });
}

function nothingFinished(failures: ReadonlyMap<string, string>): EarlybirdError {
  const why = [...failures.values()][0] ?? 'no reason is known.';
  return new EarlybirdError('ERR_PRUNE', `No run of the study could be finished: ${why}`);
}

/** Runs the unfinished parts, and writes the study after each one. */
class Runs {
  private readonly remaining: Remaining;
  private finished = 0;

  constructor(
    private readonly recipe: StudyRecipe,
    private readonly failures: Map<string, string>,
    private readonly options: RunOptions,
    private readonly write: () => Promise<unknown>,
  ) {
    this.remaining = new Remaining(recipe.jobs);
  }

  /** Runs `parts`; `later` is the work expected after them. */
  async all(parts: readonly Part[], later: Work = workOf([])): Promise<void> {
    const { force = false, observer } = this.options;
    const left: Part[] = [];
    for (const part of parts) if (force || (await part.outcome()) === null) left.push(part);
    this.finished += parts.length - left.length;
    this.remaining.plan(this.finished, workOf(left), later);
    if (left.length === 0) return;
    await runParts(this.recipe, left, this.options, async ({ part, failure }) => {
      this.finished++;
      if (failure) this.failures.set(part.key, failure.message);
      const outcome = failure ? `failed: ${failure.message}` : ((await part.outcome()) ?? 'done');
      observer?.log?.(this.remaining.after(part, outcome));
      await this.write();
    });
  }
}

/** Work of the entries, estimated before the searches show which there are. */
function expectedWork(recipe: StudyRecipe, seeds: readonly number[]): Work {
  const facts = () => ({ followed: true, emergence: assumedEmergence(recipe), best: recipe.epochs });
  const { entries } = entriesOf(recipe, facts);
  const mine = shardOf(recipe.shard, recipe.seeds, entries).filter(({ seed }) => seeds.includes(seed));
  return workOf(mine.map((entry) => ({ work: ticketWork(recipe, entry) })));
}

const ticketWork = ({ epochs }: StudyRecipe, { ratio }: Entry) => epochs * (1 - ratio);
const ofSeed = (searches: readonly SearchRecord[], seed: number) => searches.find((search) => search.seed === seed)!;
const percent = (top1: number | null) => `top-1 ${formatPercent(top1)}`;

function searchPart(recipe: StudyRecipe, seed: number): Part {
  const folder = searchFolder(recipe.save, seed);
  return {
    key: `seed-${seed}/search`,
    name: `search, seed ${seed}`,
    work: recipe.epochs,
    outcome: async () => {
      const search = await readSearch(folder, seed);
      return search && percent(search.top1Last);
    },
    run: (options, session) => runSearch(recipe, seed, options, session),
  };
}

function entryPart(recipe: StudyRecipe, entry: Entry, search: SearchRecord): Part {
  return {
    key: keyOf(entry),
    name: nameOf(entry),
    work: ticketWork(recipe, entry),
    outcome: async () => {
      const figures = await readFigures(entry, search);
      return figures && percent(figures.top1);
    },
    run: (options, session) => runEntry(recipe, entry, search.bestEpoch, options, session),
  };
}

/** Ends this part once its study was killed, as the next study would otherwise find the folders in use. */
function endWithParent(): void {
  const parent = process.ppid;
  const look = () => void (process.ppid === parent || process.kill(process.pid, 'SIGTERM'));
  setInterval(look, 1000).unref();
}

/** Runs one part in a process of its own, for a study that runs several at once. */
export async function runOnly(recipe: StudyRecipe, only: string, options: RunOptions): Promise<{ only: string }> {
  endWithParent();
  const { searches } = await readSearches(recipe, recipe.seeds);
  const { entries } = settled(recipe, searches);
  const parts: Part[] = [
    ...recipe.seeds.map((seed) => searchPart(recipe, seed)),
    ...entries.map((entry) => entryPart(recipe, entry, ofSeed(searches, entry.seed))),
  ];
  const part = parts.find(({ key }) => key === only);
  if (!part) throw new EarlybirdError('ERR_USAGE', `--only ${only} is not a part of this study.`);
  await runParts({ ...recipe, jobs: 1 }, [part], options, async ({ failure }) => {
    if (failure) throw failure;
  });
  return { only };
}

async function readSearches(recipe: StudyRecipe, seeds: readonly number[]) {
  const read = await Promise.all(seeds.map((seed) => readSearch(searchFolder(recipe.save, seed), seed)));
  return { searches: read.filter((search) => search !== null) };
}

/** The entries of the finished searches; entries whose weights were not kept are missing draws. */
function settled(recipe: StudyRecipe, searches: readonly SearchRecord[]): { entries: Entry[]; missing: MissingDraw[] } {
  const seeds = searches.map(({ seed }) => seed);
  const of = (seed: number) => ofSeed(searches, seed);
  const { entries, missing } = entriesOf({ ...recipe, seeds }, (seed, ratio) => factsOf(of(seed), ratio));
  const isThere = (entry: Entry) => weightsAfter(recipe, entry, of(entry.seed).bestEpoch) !== null;
  const gone = entries.filter((entry) => !isThere(entry) && entry.control === null);
  return {
    entries: entries.filter(isThere),
    missing: [
      ...missing,
      ...gone.flatMap(({ seed, ratio, draws, epoch }) =>
        draws.map((draw) => ({ seed, ratio, draw, reason: notKept(epoch) })),
      ),
    ],
  };
}

/** Reads the study from its folders; null without a search. */
async function readStudy(recipe: StudyRecipe, failures: ReadonlyMap<string, string>): Promise<Study | null> {
  const { searches } = await readSearches(recipe, recipe.seeds);
  if (searches.length === 0) return null;
  const { entries, missing } = settled(recipe, searches);
  const runs = await Promise.all(
    entries.map(async ({ folder, ...entry }): Promise<RunRecord> => {
      const search = ofSeed(searches, entry.seed);
      const result = await readFigures({ ...entry, folder }, search);
      const failure = failures.get(keyOf(entry));
      if (result) return { ...entry, state: 'finished', result };
      return failure === undefined
        ? { ...entry, state: 'left', result }
        : { ...entry, state: 'failed', failure, result };
    }),
  );
  const failedSearches = recipe.seeds.flatMap((seed) => {
    const failure = failures.get(`seed-${seed}/search`);
    return failure === undefined ? [] : { seed, failure };
  });
  return summarise(recipe, { searches, failedSearches, runs, missing });
}
