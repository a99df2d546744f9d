/** Reads the state of a run while it goes on, from its folder alone. Files are read again only when they changed. */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EarlybirdError } from '../errors';
import { isInUse } from '../lock';
import type { SearchRecipe } from '../recipe/recipe';
import { comparisonOf, describeRun } from '../report/gather/runs';
import type { MaskMatrix, ReportInput } from '../report/input';
import { RunDirectory } from '../run/directory';
import { LIVE, type LiveProgress } from '../run/live';
import type { EpochMetrics } from '../run/metrics';
import { maskFile, ratioKey } from '../run/names';
import type { RunResult } from '../run/result';
import { storedMasks } from '../ticket/distance';
import type { TrainResult } from '../train/eb-train';
import { type FoundRun, stagesIn } from './find';
import { GrowingOverlap } from './overlaps';

/** One training: a search or a retraining. */
export interface Stage {
  /** Name of the stage; "." where the run has no stages. */
  name: string;
  recipe: Partial<SearchRecipe>;
  metrics: EpochMetrics[];
  matrices: MaskMatrix[];
  finished: boolean;
  /** True while a process trains it. */
  training: boolean;
  live: LiveProgress | null;
}

/** A run in its current state. */
export interface RunView extends FoundRun {
  command: string;
  input: ReportInput;
  stages: Stage[];
  /** State of the run; waiting means that there is no run yet. */
  state: 'waiting' | 'training' | 'stopped' | 'finished' | 'unreadable';
  /** Reason why it is unreadable. */
  problem?: string;
  /** True where report/index.html exists. */
  hasReport: boolean;
}

const WATCHED = ['params.json', 'metrics.jsonl', 'result.json', 'energy.json', 'masks/index.json', 'report/index.html'];
/** Limits of the bytes of a file, and of the masks of a matrix, that are read. */
const LARGEST = 64 * 2 ** 20;
const MOST_MASKS = 2048;

const EMPTY: ReportInput = {
  title: '',
  dataset: { name: '', synthetic: false, train: 0, test: 0 },
  recipe: {},
  provenance: {},
  runs: [],
  matrices: [],
  channels: [],
  drawing: [],
  summary: [],
};

/** Reads one run repeatedly. */
export class RunReader {
  private readonly overlaps = new Map<string, GrowingOverlap>();
  private signature = '';
  private live = '';
  private last: RunView;

  /** @param check throws where a run holds values that cannot be shown */
  constructor(
    readonly found: FoundRun,
    private readonly check: (view: RunView) => void,
  ) {
    this.last = { ...found, command: '', input: EMPTY, stages: [], state: 'waiting', hasReport: false };
  }

  /** Reads the run; the same object where nothing changed. Never throws: an unreadable folder is a state. */
  async read(): Promise<RunView> {
    try {
      const stages = await stagesIn(this.found.folder);
      const { signature, live } = await this.signaturesOf(stages);
      if (signature !== this.signature || live !== this.live) {
        const view = signature === this.signature ? await this.moved() : await this.view(stages);
        this.check(view);
        this.last = view;
      }
      this.signature = signature;
      this.live = live;
    } catch (error) {
      // The text of a file must not reach the page, and the message of a JSON parser holds some of it.
      const problem = error instanceof EarlybirdError ? error.message : 'Its files are not those of a run.';
      if (this.last.problem !== problem) {
        this.last = { ...this.last, stages: [], state: 'unreadable', problem };
      }
      this.signature = '';
    }
    return this.last;
  }

  /**
   * Signature of the files (sizes, times, and whether a process trains), apart from the file that changes inside an
   * epoch. Throws ERR_FILE for links and for files that are too large.
   */
  private async signaturesOf(stages: readonly string[]): Promise<{ signature: string; live: string }> {
    const folders = [...new Set(['.', ...stages])];
    const files = folders.flatMap((stage) => WATCHED.map((name) => join(stage, name)));
    const [stats, live] = await Promise.all([this.stats(files), this.stats(folders.map((stage) => join(stage, LIVE)))]);
    const training = await Promise.all(stages.map((stage) => isInUse(join(this.found.folder, stage))));
    return { signature: [...stats, ...training].join('\n'), live: live.join('\n') };
  }

  private stats(files: readonly string[]): Promise<(string | null)[]> {
    return Promise.all(
      files.map(async (name) => {
        const path = join(this.found.folder, name);
        const stat = await lstat(path).catch(() => null);
        if (stat && !(stat.isFile() && stat.size <= LARGEST)) {
          throw new EarlybirdError('ERR_FILE', `${name} is a link, or larger than ${LARGEST / 2 ** 20} MB: not read.`);
        }
        return stat && `${name} ${stat.ino} ${stat.size} ${stat.mtimeMs}`;
      }),
    );
  }

  /** The last view with the new progress inside its epoch. */
  private async moved(): Promise<RunView> {
    const stages = this.last.stages.map(async (stage) => ({ ...stage, live: await this.liveOf(stage) }));
    return { ...this.last, stages: await Promise.all(stages) };
  }

  private async liveOf({ name, training }: Pick<Stage, 'name' | 'training'>): Promise<LiveProgress | null> {
    return training ? readLive(RunDirectory.at(join(this.found.folder, name))) : null;
  }

  private async view(names: readonly string[]): Promise<RunView> {
    const { folder } = this.found;
    const directory = RunDirectory.at(folder);
    const params = await directory.readJson<{ command: string }>('params.json');
    if (!params) return { ...this.last, stages: [], state: 'waiting' };
    const { network, input } = await describeRun(folder);
    const stages = await Promise.all(names.map((name) => this.stage(name, network)));
    const result = await directory.readJson<RunResult | TrainResult>('result.json');
    const training = (await isInUse(folder)) || stages.some((stage) => stage.training);
    const hasReport = (await lstat(join(folder, 'report', 'index.html')).catch(() => null)) !== null;
    return {
      ...this.found,
      command: params.command,
      state: training ? 'training' : result ? 'finished' : 'stopped',
      stages,
      hasReport,
      input: { ...input, title: network, ...drawn(stages, params.command, result) },
    };
  }

  private async stage(name: string, network: string): Promise<Stage> {
    const folder = join(this.found.folder, name);
    const directory = RunDirectory.at(folder);
    const params = await directory.readJson<{ recipe: Partial<SearchRecipe> }>('params.json');
    const recipe = params?.recipe ?? {};
    const metrics = await directory.readMetrics();
    const training = await isInUse(folder);
    return {
      name,
      recipe,
      metrics,
      matrices: await this.matrices(name, recipe, metrics, network),
      finished: (await directory.readJson('result.json')) !== null,
      training,
      live: await this.liveOf({ name, training }),
    };
  }

  private async matrices(
    name: string,
    { ratios = [], detector, detectorWindow = 5, detectorRule = 'reference' }: Partial<SearchRecipe>,
    metrics: readonly EpochMetrics[],
    network: string,
  ): Promise<MaskMatrix[]> {
    const folder = join(this.found.folder, name);
    const index = await RunDirectory.at(folder).readMaskIndex();
    const matrices: MaskMatrix[] = [];
    for (const ratio of index ? [...ratios].sort((a, b) => a - b) : []) {
      const bytes = await lstat(join(folder, maskFile(ratio))).catch(() => null);
      if (!bytes?.isFile() || bytes.size > MOST_MASKS * Math.ceil(index!.channels / 8)) continue;
      const series = await storedMasks(folder, ratio);
      if (!series || series.masks.length === 0) continue;
      const key = `${name} ${ratio}`;
      const growing = this.overlaps.get(key) ?? new GrowingOverlap();
      this.overlaps.set(key, growing);
      const number = metrics.at(-1)?.emerged[ratioKey(ratio)];
      matrices.push({
        network,
        ratio,
        epochs: series.epochs,
        overlap: growing.of(series.masks, series.channels),
        emergedAt: number === undefined ? null : number - 1,
        ...comparisonOf({ ...(detector ? { detector } : {}), detectorWindow, detectorRule }),
      });
    }
    return matrices;
  }
}

/** Reads the progress inside an epoch; null where the file is absent or only half written. */
async function readLive(directory: RunDirectory): Promise<LiveProgress | null> {
  try {
    return JSON.parse(await readFile(directory.file(LIVE), 'utf8')) as LiveProgress;
  } catch {
    return null;
  }
}

/** The parts of a report that exist so far. */
function drawn(
  stages: readonly Stage[],
  command: string,
  result: RunResult | TrainResult | null,
): Pick<ReportInput, 'runs' | 'matrices' | 'channels' | 'threshold'> {
  const whole = command === 'train' ? (result as TrainResult | null) : null;
  return {
    runs: stages.map(({ name, metrics }) => {
      const phase = command === 'retrain' || name.startsWith('retrain') ? ('retrain' as const) : ('search' as const);
      return {
        name: phase === 'search' ? 'search (dense)' : name === '.' ? 'training' : name.replace(/^retrain_/, 'ticket '),
        phase,
        metrics,
      };
    }),
    matrices: stages.flatMap(({ matrices }) => matrices),
    channels: whole?.prune ? [{ name: 'ticket', ratio: whole.prune.ratio, layers: whole.prune.layers }] : [],
    threshold: stages[0]?.recipe.detectorThreshold ?? 0.1,
  };
}
