/** Rules between the options of a recipe. The values of a single option are checked by its schema. */
import type { Arch } from '../native/types/network-data';
import { archName, onlyDepth } from '../network/names';
import { type DetectorName, type DetectorSettings, detectorOf, idleDetectorEntries, masksNeeded } from './detectors';
import { needsImages } from './fields/ranking';
import { flagOf } from './option';
import { mixedKind, type PrecisionOptions } from './precision';
import { idleScheduleOption, isScheduled, type ScheduleOptions } from './precision-schedules';

/** Entries that rules use; each command has some of them. */
interface Entries extends PrecisionOptions, ScheduleOptions {
  criterion?: string;
  budget?: string;
  lowPrecision?: boolean;
  bits?: number;
  uniform?: boolean;
  fromScratch?: boolean;
  init?: string;
  dataset?: string;
  filter?: string;
  sparsityGt?: number;
  protective?: boolean;
  variant?: string | undefined;
  percent?: number;
  methods?: string[];
  baseline?: string;
  epochs?: number;
  ratios?: number[];
  assumeEpoch?: number[];
  assumeFlops?: number[];
  startEpoch?: number;
  detector?: DetectorName;
  detectorWindow?: number;
  detectorRule?: NonNullable<DetectorSettings['rule']>;
  stopAtTicket?: boolean;
  compareDense?: boolean;
  detectorSmooth?: number;
  detectorDecay?: number;
  detectorTurns?: number;
  swa?: boolean;
  swaStart?: number;
  imageSize?: number;
  device?: string;
  noCuda?: boolean;
  surgery?: string;
  emptyLayers?: string;
  arch?: Arch;
  depth?: number;
}

/** Datasets whose images are not resized. */
export const FIXED_SIZE: readonly string[] = ['cifar10', 'cifar100', 'synthetic'];

/** An option that the detector of a search does not use. */
const unusedEntry = (recipe: Entries) =>
  idleDetectorEntries(recipe).find((key) => ![undefined, 'reference'].includes(recipe[key as keyof Entries] as string));

/** Number of masks that a detector sees. */
const masksDrawn = ({ epochs = Infinity, startEpoch = 0 }: Entries) => epochs - startEpoch;

/** True where a ticket is required: a search may be asked for its masks alone, `train` may not. */
const endsWithTicket = ({ stopAtTicket, compareDense }: Entries) => stopAtTicket === true || compareDense !== undefined;

/** True where a list has one number for each ratio, or one for all. */
const fits = (list: number[] | undefined, ratios: number[]) =>
  list === undefined || list.length === 1 || list.length === ratios.length;

/** The only depth of a network, where the recipe gives another. */
const onlyDepthBeside = ({ arch, depth }: Entries) => {
  const only = arch === undefined ? undefined : onlyDepth(arch);
  return depth === undefined || depth === only ? undefined : only;
};

const RULES: { isBroken(recipe: Entries): boolean; message(recipe: Entries): string }[] = [
  {
    isBroken: (recipe) => onlyDepthBeside(recipe) !== undefined,
    message: (recipe) =>
      `--depth ${recipe.depth} is not possible: ${archName(recipe.arch!)} has depth ${onlyDepthBeside(recipe)}, give that or none.`,
  },
  {
    isBroken: ({ device, noCuda }) => noCuda === true && device?.startsWith('cuda') === true,
    message: ({ device }) =>
      `--device ${device} is not possible with --no-cuda, which computes on the CPU: give one of the two.`,
  },
  {
    isBroken: ({ surgery, emptyLayers }) => surgery === 'exact' && emptyLayers === 'remove',
    message: () =>
      '--empty-layers remove is not possible with --surgery exact, as a network without a layer computes something else: give --empty-layers keep-one, or --surgery reference.',
  },
  {
    isBroken: ({ fromScratch, init }) => fromScratch === true && init !== undefined,
    message: ({ init }) =>
      `--init ${init} is not possible with --from-scratch, which draws new weights: give one of the two.`,
  },
  {
    isBroken: (recipe) => mixedKind(recipe) !== undefined,
    message: (recipe) =>
      `--wl-${mixedKind(recipe)} and --format say two formats for one kind of numbers: leave out --wl-${mixedKind(recipe)}, or give --format-weight and its like for the other kinds only.`,
  },
  {
    isBroken: ({ lowPrecision, format }) => lowPrecision === false && format !== undefined,
    message: ({ format }) =>
      `--format ${format} does nothing without --low-precision, which times a format: add it, or leave --format out.`,
  },
  {
    isBroken: ({ bits, format }) => bits !== undefined && format !== 'bfp8',
    message: ({ bits, format }) =>
      `--bits ${bits} does nothing with --format ${format}, which has its own word length: leave it out.`,
  },
  {
    isBroken: ({ dataset, filter = 'none', sparsityGt = 0 }) =>
      dataset === 'imagenet' && (filter !== 'none' || sparsityGt > 0),
    message: () =>
      '--filter and --sparsity-gt are not possible with --dataset imagenet: they are for images of 32 pixels, leave them out.',
  },
  {
    isBroken: ({ criterion, dataset }) => needsImages(criterion) && dataset === undefined,
    message: ({ criterion }) =>
      `--criterion ${criterion} needs training images: give --dataset, and --data where it lies elsewhere.`,
  },
  {
    isBroken: ({ uniform, budget, protective }) => uniform === true && (budget !== 'channels' || protective === true),
    message: ({ budget }) =>
      `--uniform takes a share of the channels of every layer: leave out ${budget === 'channels' ? '--protective' : `--budget ${budget}`}.`,
  },
  {
    isBroken: ({ protective, percent = 0 }) => protective === true && percent >= 0.9,
    message: ({ percent }) =>
      `--percent ${percent} is not possible with --protective, which keeps about a tenth of every layer: give a ratio below 0.9.`,
  },
  {
    isBroken: (recipe) => endsWithTicket(recipe) && masksNeeded(detectorOf(recipe)) > masksDrawn(recipe),
    message: (recipe) =>
      `--detector-window ${recipe.detectorWindow} needs the masks of ${masksNeeded(detectorOf(recipe))} epochs, so that no ticket can emerge within --epochs ${recipe.epochs}: give more --epochs or a smaller --detector-window.`,
  },
  {
    isBroken: (recipe) => unusedEntry(recipe) !== undefined,
    message: (recipe) =>
      `--${flagOf(unusedEntry(recipe)!)} does nothing with --detector ${recipe.detector}, which has no such option: leave it out.`,
  },
  {
    isBroken: (recipe) => idleScheduleOption(recipe) !== undefined,
    message: (recipe) =>
      `--${flagOf(idleScheduleOption(recipe)!)} does nothing with --precision-schedule ${recipe.precisionSchedule}, which has no such option: leave it out.`,
  },
  {
    isBroken: ({ precisionSchedule, ratios, percent }) =>
      precisionSchedule === 'mask' && ratios === undefined && percent === undefined,
    message: () =>
      '--precision-schedule mask follows the masks of a search, and a retraining draws none: leave it out, or give cpt or pfq.',
  },
  {
    isBroken: ({ variant, ...recipe }) => variant === 'ff' && isScheduled(recipe),
    message: ({ precisionSchedule }) =>
      `--precision-schedule ${precisionSchedule} needs low precision, and --variant ff has none: give lf or ll.`,
  },
  {
    isBroken: ({ swa, swaStart = 0, epochs = Infinity }) => swa === true && swaStart >= epochs,
    message: ({ swaStart, epochs }) =>
      `--swa averages from epoch index ${swaStart} on, which --epochs ${epochs} never reaches: give a smaller --swa-start, or leave out --swa.`,
  },
  {
    isBroken: ({ dataset = '', imageSize = 32 }) => imageSize !== 32 && FIXED_SIZE.includes(dataset),
    message: ({ dataset, imageSize }) =>
      `--image-size ${imageSize} does nothing with --dataset ${dataset}, whose images have 32 pixels: leave it out, or give --dataset folder.`,
  },
  {
    isBroken: ({ methods, baseline }) => methods !== undefined && !methods.includes(baseline!),
    message: ({ methods, baseline }) =>
      `--baseline ${baseline} is not among --methods ${methods!.join(' ')}: add it there, or give another one.`,
  },
  {
    isBroken: ({ methods }) =>
      methods?.includes('snip') === true && !['dense', 'lt', 'ns', 'thinet'].some((method) => methods.includes(method)),
    message: () =>
      '--methods snip draws tickets of the weights with which the dense training begins: add dense to --methods.',
  },
  {
    isBroken: ({ assumeEpoch, assumeFlops, ratios = [] }) => !fits(assumeEpoch, ratios) || !fits(assumeFlops, ratios),
    message: ({ ratios }) =>
      `--assume-epoch and --assume-flops take one number, or one for each of --ratios ${ratios!.join(' ')}: give that many.`,
  },
  {
    isBroken: ({ assumeEpoch = [], epochs = 0 }) => assumeEpoch.some((epoch) => epoch >= epochs),
    message: ({ assumeEpoch, epochs }) =>
      `--assume-epoch ${assumeEpoch!.join(' ')} leaves a ticket nothing of --epochs ${epochs}: give smaller numbers.`,
  },
];

/** A sentence about the first rule that a recipe breaks; undefined where it breaks none. */
export function brokenRule(recipe: Entries): string | undefined {
  return RULES.find(({ isBroken }) => isBroken(recipe))?.message(recipe);
}
