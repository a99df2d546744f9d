/** A study as study.json holds it. Pure. */
import { networkName } from '../network/names';
import { identityOf } from '../recipe/identity';
import type { StudyRecipe } from '../recipe/recipe';
import { type Curves, curvesOf } from './curves';
import { groupsOf, type StudyGroup } from './groups';
import type { Parts, SearchRecord } from './record';
import { type Estimate, estimate } from './statistics';
import { notesOf, verdictsOf } from './verdict';

/** The contents of study.json. */
export interface Study extends Parts {
  version: 1;
  study: true;
  network: string;
  /** What decides the runs: studies of equal ones can be merged, whatever their seeds, ratios, draws and controls are. */
  identity: Record<string, unknown>;
  recipe: StudyRecipe;
  dataset: SearchRecord['dataset'];
  machine: SearchRecord['machine'];
  groups: StudyGroup[];
  dense: { top1: Estimate | null };
  curves: Curves;
  verdicts: string[];
  notes: string[];
}

/** A study, and the files it was written to. */
export interface StudyResult extends Study {
  /** Tables and figures. */
  files: string[];
}

const SELECTION = ['ratios', 'seeds', 'draws', 'controls', 'controlDraws'];

/** What all studies that are merged have in common. */
export const identityOfStudy = (recipe: StudyRecipe): Record<string, unknown> =>
  Object.fromEntries(Object.entries(identityOf('study', recipe)).filter(([key]) => !SELECTION.includes(key)));

/** There is at least one search. */
export function summarise(recipe: StudyRecipe, parts: Parts): Study {
  const { arch, depth, cfg } = recipe;
  const { searches } = parts;
  const { dataset, machine } = searches[0]!;
  const groups = groupsOf(recipe, parts);
  const dense = { top1: estimate(searches.flatMap(({ top1Last }) => top1Last ?? [])) };
  const facts = { recipe, dataset, groups, ...parts };
  return {
    version: 1,
    study: true,
    network: networkName(arch, depth!, cfg),
    identity: identityOfStudy(recipe),
    // Where the images lie is nothing of the study.
    recipe: { ...recipe, data: undefined },
    dataset,
    machine,
    ...parts,
    groups,
    dense,
    curves: curvesOf(groups, dense.top1),
    verdicts: verdictsOf(facts),
    notes: notesOf(facts),
  };
}
