/** Joins the studies of several machines, or of several shards of one. */
import { join } from 'node:path';
import { EarlybirdError } from '../errors';
import { lockFolder } from '../lock';
import { differingKeys, RunDirectory } from '../run/directory';
import type { RunOptions } from '../run/observer';
import { keyOf, type MissingDraw } from './plan';
import type { RunRecord, SearchRecord } from './record';
import { type Study, type StudyResult, summarise } from './summary';
import { drawStudy, writeStudy } from './tables';

/** Reads study.json of every folder, and writes the joined study to `save`. Throws ERR_FILE, ERR_RECIPE. */
export async function mergeStudies(
  folders: readonly string[],
  save: string,
  { observer }: RunOptions = {},
): Promise<StudyResult> {
  const studies = await Promise.all(folders.map(readOne));
  const joined = joinStudies(studies.map((study, i) => ({ folder: folders[i]!, study })));
  using lock = await lockFolder(save);
  lock.requireWritable();
  const tables = await writeStudy(save, joined);
  const { figures, notes } = await drawStudy(save, joined);
  for (const note of notes) observer?.log?.(note);
  return { ...joined, files: [...tables, ...figures] };
}

async function readOne(folder: string): Promise<Study> {
  const study = await RunDirectory.at(folder).readJson<Study>('study.json');
  if (study?.study === true) return study;
  throw new EarlybirdError(
    'ERR_FILE',
    `${join(folder, 'study.json')} is not a study: give --merge folders of studies.`,
  );
}

export interface Source {
  folder: string;
  study: Study;
}

/** Joins at least one study. */
export function joinStudies(sources: readonly Source[]): Study {
  const [first] = sources as [Source];
  for (const { folder, study } of sources) refuseOther(first, folder, study);
  const all = <T>(of: (study: Study) => readonly T[]) => sources.flatMap(({ study }) => of(study));
  const union = <T>(of: (study: Study) => readonly T[]) => [...new Set(all(of))];
  const recipe = {
    ...first.study.recipe,
    shard: undefined,
    ratios: union(({ recipe }) => recipe.ratios),
    seeds: union(({ recipe }) => recipe.seeds),
    draws: union(({ recipe }) => recipe.draws),
    controls: union(({ recipe }) => recipe.controls),
    controlDraws: union(({ recipe }) => recipe.controlDraws),
  };
  const controls =
    recipe.controls.length > 1 ? recipe.controls.filter((control) => control !== 'none') : recipe.controls;
  const searches = joinSearches(sources);
  const found = new Set(searches.map(({ seed }) => seed));
  const runs = joinRuns(all(({ runs }) => runs));
  // The weights of a draw may be kept in one folder and gone in another.
  const drawn = new Set(
    runs.flatMap(({ seed, ratio, control, draws }) =>
      control === null ? draws.map((draw) => missingKey({ seed, ratio, draw })) : [],
    ),
  );
  return summarise(
    { ...recipe, controls },
    {
      searches,
      failedSearches: unique(
        all(({ failedSearches }) => failedSearches),
        ({ seed }) => String(seed),
      ).filter(({ seed }) => !found.has(seed)),
      runs,
      missing: unique(
        all(({ missing }) => missing),
        missingKey,
      ).filter((one) => !drawn.has(missingKey(one))),
    },
  );
}

const missingKey = ({ seed, ratio, draw }: Omit<MissingDraw, 'reason'>) => `${seed} ${ratio} ${draw}`;

function unique<T>(list: readonly T[], key: (one: T) => string): T[] {
  return [...new Map(list.map((one) => [key(one), one])).values()];
}

function refuseOther(first: Source, folder: string, { identity, dataset }: Study): void {
  const differences = differingKeys(first.study.identity, identity);
  if (differences.length > 0)
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${folder} is a study with another recipe than ${first.folder} (${differences.join('; ')}): merge studies of one recipe.`,
    );
  if (first.study.dataset.fingerprint !== dataset.fingerprint)
    throw new EarlybirdError(
      'ERR_RECIPE',
      `${folder} was run on other images than ${first.folder}: merge studies of one data set.`,
    );
}

/** Joins the searches. Two shards may have trained the same search, which must have given the same result. */
function joinSearches(sources: readonly Source[]): SearchRecord[] {
  const searches = new Map<number, { folder: string; search: SearchRecord }>();
  for (const { folder, study } of sources)
    for (const search of study.searches) {
      const before = searches.get(search.seed);
      if (before && !isSame(before.search, search))
        throw new EarlybirdError(
          'ERR_RECIPE',
          `The search of seed ${search.seed} came out differently in ${before.folder} and ${folder}: its tickets are of two searches; copy one search into both folders and run the study of the other again.`,
        );
      // Each study followed its own ratios.
      const ratios = { ...search.ratios, ...before?.search.ratios };
      searches.set(search.seed, { folder, ...before, search: { ...(before?.search ?? search), ratios } });
    }
  return [...searches.values()].map(({ search }) => search).sort((a, b) => a.seed - b.seed);
}

/** The same search came out twice: in accuracies, and in the ratios that both followed. */
function isSame(a: SearchRecord, b: SearchRecord): boolean {
  const keys = Object.keys(a.ratios).filter((key) => b.ratios[key]);
  const outcomeOf = ({ epochs, top1Last, top1Best, bestEpoch, ratios }: SearchRecord) =>
    JSON.stringify([epochs, top1Last, top1Best, bestEpoch, keys.map((key) => [key, ratios[key]])]);
  return outcomeOf(a) === outcomeOf(b);
}

/** Joins the runs, each counted once: finished before failed, failed before not yet run. */
function joinRuns(runs: readonly RunRecord[]): RunRecord[] {
  const rank = { finished: 0, failed: 1, left: 2 };
  const joined = new Map<string, RunRecord>();
  for (const run of runs) {
    const before = joined.get(keyOf(run));
    const draws = [...new Set([...(before?.draws ?? []), ...run.draws])];
    const better = before && rank[before.state] <= rank[run.state] ? before : run;
    joined.set(keyOf(run), { ...better, draws });
  }
  return [...joined.values()];
}
