/**
 * Shows watched runs as the sections of a page, which are read again and again, and drawn anew as the pace allows.
 */
import type { ReportInput } from '../report/input';
import { Drawings } from './drawings';
import { factsOf } from './facts';
import { type FoundRun, findRuns } from './find';
import type { Pace } from './pace';
import { type Section, sectionOf, TOGETHER, togetherOf } from './page';
import { RunReader, type RunView } from './read';

interface Shown {
  id: string;
  reader: RunReader;
  view: RunView;
  /** State of the run that the figures show, which may be behind `view`. */
  drawn: RunView;
  drawings: Drawings;
  revision: number;
  /** Section of the page for this state, made again where one of the other fields changed. */
  section: { of: RunView; revision: number; section: Section } | null;
}

/** Limit of the runs that are read and shown: each has a section, whose files are looked at every two seconds. */
const MOST = 64;

export class Board {
  /** Number of runs that were found and are not shown. */
  hidden = 0;
  private readonly shown: Shown[] = [];
  private together: { drawings: Drawings; revision: number } | null = null;

  constructor(
    private readonly folders: readonly string[],
    private readonly pace: Pace,
  ) {}

  /** Looks for runs; true where the list, or the number of runs that are not shown, has changed. */
  async find(): Promise<boolean> {
    const found = await findRuns(this.folders);
    // A folder in which a run has begun further down is not a run itself.
    const gone = this.shown.filter(
      ({ view, reader }) => view.state === 'waiting' && found.every(({ folder }) => folder !== reader.found.folder),
    );
    for (const one of gone) this.shown.splice(this.shown.indexOf(one), 1);
    const there = new Set(this.shown.map(({ reader }) => reader.found.folder));
    const others = found.filter(({ folder }) => !there.has(folder));
    const fresh = others.slice(0, MOST - this.shown.length);
    for (const run of fresh) await this.add(run);
    const before = this.hidden;
    this.hidden = others.length - fresh.length;
    const isOther = fresh.length > 0 || gone.length > 0;
    if (isOther) this.together = null;
    return isOther || this.hidden !== before;
  }

  private async add(run: FoundRun): Promise<void> {
    const reader = new RunReader(run, check);
    const view = await reader.read();
    const id = String(this.added++);
    this.shown.push({ id, reader, view, drawn: view, drawings: new Drawings(view.input), revision: 0, section: null });
  }
  private added = 0;

  /** Reads all runs, and draws their figures from the new state where there is time. */
  async refresh(): Promise<void> {
    for (const one of this.shown) one.view = await one.reader.read();
    const behind = this.shown.filter(({ view, drawn }) => view !== drawn);
    const first = behind.filter(({ drawings }) => drawings.figures.length === 0);
    for (const one of this.pace.isReady ? behind : first) {
      // Changes within an epoch do not show in any figure.
      if (figuresDiffer(one.drawn.input, one.view.input)) {
        one.drawings = new Drawings(one.view.input);
        one.revision++;
        this.together = null;
      }
      one.drawn = one.view;
    }
  }

  get sections(): Section[] {
    const own = this.shown.map(sectionFor);
    if (!this.isSeveral) return own;
    const names = this.shown.map(({ view }) => view.name);
    const { drawings, revision } = this.drawnTogether();
    return [...own, togetherOf(names, drawings, revision)];
  }

  get isSeveral(): boolean {
    return this.shown.length > 1;
  }

  folderOf(id: string): string | null {
    return this.shown.find((one) => one.id === id)?.reader.found.folder ?? null;
  }

  drawingsOf(id: string): Drawings | null {
    if (id === TOGETHER) return this.isSeveral ? this.drawnTogether().drawings : null;
    return this.shown.find((one) => one.id === id)?.drawings ?? null;
  }

  private drawnTogether(): { drawings: Drawings; revision: number } {
    const revision = this.shown.reduce((sum, one) => sum + one.revision, 0);
    this.together ??= { drawings: new Drawings(joined(this.shown.map(({ drawn }) => drawn))), revision };
    return this.together;
  }
}

/** Throws where the files of a run hold values that cannot be shown, so that its reader can report them. */
function check(view: RunView): void {
  factsOf(view);
}

function sectionFor(one: Shown): Section {
  const { id, view, drawings, revision, section: made } = one;
  if (made?.of === view && made.revision === revision) return made.section;
  const section = sectionOf(id, view, drawings, revision);
  one.section = { of: view, revision, section };
  return section;
}

const linesOf = ({ runs }: ReportInput) => runs.map(({ name, metrics }) => `${name} ${metrics.length}`).join();

/** True where figures differ. A resumed run may have as many epochs as before, with other values. */
function figuresDiffer(before: ReportInput, now: ReportInput): boolean {
  const last = ({ runs }: ReportInput) => JSON.stringify(runs.map(({ metrics }) => metrics.at(-1)));
  const masks = ({ matrices }: ReportInput) => matrices.map(({ epochs }) => epochs.length).join();
  return (
    linesOf(before) !== linesOf(now) ||
    masks(before) !== masks(now) ||
    before.channels.length !== now.channels.length ||
    last(before) !== last(now)
  );
}

/** Joins the curves and matrices of all runs into one input, each under its name. */
function joined(views: readonly RunView[]): ReportInput {
  const [first] = views;
  const datasets = new Set(views.map(({ input }) => JSON.stringify(input.dataset)));
  // Generated images are marked where runs on other images stand beside them.
  const nameOf = ({ name, input }: RunView) =>
    datasets.size > 1 && input.dataset.synthetic ? `${name} (synthetic)` : name;
  return {
    ...first!.input,
    ...(datasets.size > 1 ? { dataset: { name: '', synthetic: false, train: 0, test: 0 } } : {}),
    runs: views.flatMap((view) => view.input.runs.map((run) => ({ ...run, name: `${nameOf(view)}: ${run.name}` }))),
    matrices: views.flatMap((view) => view.input.matrices.map((matrix) => ({ ...matrix, network: nameOf(view) }))),
    channels: [],
  };
}
