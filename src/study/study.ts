/**
 * `study`: tickets drawn at many epochs of one dense search, retrained beside their controls, over ratios and seeds. Each run has a
 * folder of its own under --save: a finished one is not run again, an interrupted one goes on.
 */

import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import { trainingFlops } from '../network/training-flops';
import type { StudyRecipe } from '../recipe/recipe';
import { differingKeys, RunDirectory } from '../run/directory';
import { ratioKey } from '../run/names';
import type { RunOptions } from '../run/observer';
import { type Part, runParts } from './parts';
import { type Entry, entriesOf, keyOf, type MissingDraw, nameOf, searchFolder, shardOf } from './plan';
import { type RunRecord, readFigures, readSearch, type SearchRecord } from './record';
import { Remaining } from './remaining';
import { notKept, runEntry, runSearch, weightsAfter } from './run';
import { identityOfStudy, type Study, type StudyResult, summarise } from './summary';
import { drawStudy, writeStudy } from './tables';

/** Throws ERR_RECIPE where the folder holds the study of another recipe. Failed runs end no study. */
export async function study(recipe: StudyRecipe, options: RunOptions = {}): Promise<StudyResult> {
  const { observer } = options;
  using lock = await lockFolder(recipe.save);
  lock.requireWritable();
  await ownFolder(recipe, options);
  const failures = new Map<string, string>();
  const write = async () => {
    const study = await readStudy(recipe, failures);
    return study && { ...study, files: await writeStudy(recipe.save, study) };
  };
  const mine = seedsOf(recipe);
  await runAll(
    recipe,
    mine.map((seed) => searchPart(recipe, seed)),
    failures,
    options,
    write,
  );
  const { searches } = await readSearches(recipe, mine);
  if (searches.length === 0) throw nothingFinished(failures);
  const { entries } = settled(recipe, searches);
  const parts = shardOf(recipe.shard, recipe.seeds, entries).map((entry) =>
    entryPart(recipe, entry, searches.find(({ seed }) => seed === entry.seed)!),
  );
  await runAll(recipe, parts, failures, options, write);
  const result = await write();
  if (!result) throw nothingFinished(failures);
  const { figures, notes } = await drawStudy(recipe.save, result);
  for (const note of notes) observer?.log?.(note);
  return { ...result, files: [...result.files, ...figures] };
}

/** One folder, one study: throws ERR_RECIPE where it holds that of another recipe. Seeds, ratios, draws and controls may change. */
async function ownFolder(recipe: StudyRecipe, { force = false, commandLine }: RunOptions): Promise<void> {
  const folder = RunDirectory.at(recipe.save);
  const identity = identityOfStudy(recipe);
  const before = await folder.readJson<{ identity: Record<string, unknown> }>('params.json');
  const differences = before && !force ? differingKeys(before.identity, identity) : [];
  if (differences.length > 0)
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${recipe.save} holds a study with another recipe (${differences.join('; ')}): choose another --save, or give --force to start over.`,
    );
  await folder.writeJson('params.json', { command: 'study', identity, recipe, commandLine });
}

function nothingFinished(failures: ReadonlyMap<string, string>): EarlybirdError {
  const why = [...failures.values()][0] ?? 'no reason is known.';
  return new EarlybirdError('ERR_PRUNE', `No run of the study could be finished: ${why}`);
}

/** Runs what is not finished, and writes the study after each run. */
async function runAll(
  recipe: StudyRecipe,
  parts: (Part & { finished(): Promise<boolean> })[],
  failures: Map<string, string>,
  options: RunOptions,
  write: () => Promise<unknown>,
): Promise<void> {
  const { force = false, observer } = options;
  const left: Part[] = [];
  for (const part of parts) if (force || !(await part.finished())) left.push(part);
  const remaining = new Remaining(left, parts.length - left.length, recipe.jobs);
  if (left.length === 0) return;
  await runParts(recipe, left, options, async ({ part, failure }) => {
    if (failure) failures.set(part.key, failure.message);
    observer?.log?.(remaining.after(part, failure?.message));
    await write();
  });
}

/** The seeds that a shard works on. */
function seedsOf({ seeds, shard }: StudyRecipe): number[] {
  // A seed has at least as many runs as there are shards of it, so each of its shards has one.
  const [, of = 1] = (shard ?? '1/1').split('/').map(Number);
  const some = seeds.flatMap((seed) => Array.from({ length: of }, () => ({ seed })));
  return [...new Set(shardOf(shard, seeds, some).map(({ seed }) => seed))];
}

function searchPart(recipe: StudyRecipe, seed: number) {
  const folder = searchFolder(recipe.save, seed);
  return {
    key: `seed-${seed}/search`,
    name: `search, seed ${seed}`,
    flops: 1,
    finished: async () => (await readSearch(folder, seed)) !== null,
    run: (options: RunOptions, session: Parameters<Part['run']>[1]) => runSearch(recipe, seed, options, session),
  };
}

function entryPart(recipe: StudyRecipe, entry: Entry, search: SearchRecord) {
  const { forward, images, bestEpoch } = search;
  return {
    key: keyOf(entry),
    name: nameOf(entry),
    flops: trainingFlops([{ forward: forward * (1 - entry.ratio), images: recipe.epochs * images }], 'exact'),
    finished: async () => (await readFigures(entry, search)) !== null,
    run: (options: RunOptions, session: Parameters<Part['run']>[1]) =>
      runEntry(recipe, entry, bestEpoch, options, session),
  };
}

/** A study that was killed must not leave its parts at work: the next one would find their folders in use. */
function endWithParent(): void {
  const parent = process.ppid;
  const look = () => void (process.ppid === parent || process.kill(process.pid, 'SIGTERM'));
  setInterval(look, 1000).unref();
}

/** One part, in a process of its own, for a study that runs several at once. */
export async function runOnly(recipe: StudyRecipe, only: string, options: RunOptions): Promise<{ only: string }> {
  endWithParent();
  const { searches } = await readSearches(recipe, recipe.seeds);
  const { entries } = settled(recipe, searches);
  const parts: Part[] = [
    ...recipe.seeds.map((seed) => searchPart(recipe, seed)),
    ...entries.map((entry) => entryPart(recipe, entry, searches.find(({ seed }) => seed === entry.seed)!)),
  ];
  const part = parts.find(({ key }) => key === only);
  if (!part) throw new EarlybirdError('ERR_USAGE', `--only ${only} is no part of this study.`);
  await runParts({ ...recipe, jobs: 1 }, [part], options, async ({ failure }) => {
    if (failure) throw failure;
  });
  return { only };
}

async function readSearches(recipe: StudyRecipe, seeds: readonly number[]) {
  const read = await Promise.all(seeds.map((seed) => readSearch(searchFolder(recipe.save, seed), seed)));
  return { searches: read.filter((search) => search !== null) };
}

/** The entries of the searches that are there; those whose weights were not kept are missing. */
function settled(recipe: StudyRecipe, searches: readonly SearchRecord[]): { entries: Entry[]; missing: MissingDraw[] } {
  const seeds = searches.map(({ seed }) => seed);
  const of = (seed: number) => searches.find((search) => search.seed === seed)!;
  const { entries, missing } = entriesOf({ ...recipe, seeds }, (seed, ratio) => ({
    emergence: of(seed).ratios[ratioKey(ratio)]?.emergence ?? null,
    best: of(seed).bestEpoch,
  }));
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

/** The study as its folders have it; null without a search. */
export async function readStudy(recipe: StudyRecipe, failures: ReadonlyMap<string, string>): Promise<Study | null> {
  const { searches } = await readSearches(recipe, recipe.seeds);
  if (searches.length === 0) return null;
  const { entries, missing } = settled(recipe, searches);
  const runs = await Promise.all(
    entries.map(async ({ folder, ...entry }): Promise<RunRecord> => {
      const search = searches.find(({ seed }) => seed === entry.seed)!;
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
