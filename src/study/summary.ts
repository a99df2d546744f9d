/** Summarises a study for study.json. */
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
  /**
   * Settings that decide the runs. Studies of equal settings can be merged, whatever their seeds, ratios, draws and
   * controls.
   */
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

/** A study, with the files written. */
export interface StudyResult extends Study {
  /** Paths of the tables and figures. */
  files: string[];
}

const SELECTION = ['ratios', 'seeds', 'draws', 'controls', 'controlDraws'];

/** The settings that all merged studies must share. */
export const identityOfStudy = (recipe: StudyRecipe): Record<string, unknown> =>
  Object.fromEntries(Object.entries(identityOf('study', recipe)).filter(([key]) => !SELECTION.includes(key)));

/** Summarises a study with at least one search. */
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
    // The place of the images is no part of the study.
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
