/** Options that are given and do nothing: each is mentioned in one sentence, and only where it really does nothing. */
import { recipeFrom } from '../../src/cli/options';
import { ROWS } from '../../src/recipe/idle';
import type { CommandName } from '../../src/recipe/recipe';

type Given = Record<string, unknown>;

const notesOf = (command: CommandName, entries: Given) => recipeFrom(command, {}, { path: 'r.yaml', entries }).notes;

/** Command, the option, entries in which it does nothing, entries in which it does something. */
const EXAMPLES: [CommandName, string, Given, Given][] = [
  ['evaluate', 'wlWeight', { wlWeight: 4 }, { wlWeight: -1 }],
  ['evaluate', 'formatGrad', { formatGrad: 'mxint8' }, { formatGrad: 'full' }],
  ['evaluate', 'formatWeight', { formatWeight: 'bfp8' }, { formatWeight: 'mxint8' }],
  ['benchEnergy', 'format', { format: 'mxint8', methods: ['dense', 'eb-ff'] }, { format: 'mxint8' }],
  ['search', 'rounding', { rounding: 'nearest' }, { rounding: 'nearest', wlWeight: 8 }],
  ['study', 'scale', { scale: 'even' }, { scale: 'even', format: 'mxint8' }],
  ['train', 'rounding', { rounding: 'nearest', variant: 'ff' }, { rounding: 'nearest', variant: 'll' }],
  // The formats of a ticket are not known here.
  ['retrain', 'rounding', { rounding: 'nearest' }, { rounding: 'nearest', scratch: 'p' }],
  [
    'search',
    'bfpFlavour',
    { bfpFlavour: 'swalp', format: 'mxint8' },
    { bfpFlavour: 'swalp', format: 'mxint8', wlMomentum: 8 },
  ],
  ['benchEnergy', 'bfpFlavour', { bfpFlavour: 'swalp', format: 'mxint8' }, { bfpFlavour: 'swalp' }],
  ['search', 'testRounding', { testRounding: 'nearest', wlGrad: 8 }, { testRounding: 'nearest', wlActivate: 8 }],
  ['benchEnergy', 'detectorWindow', { detectorWindow: 3, methods: ['dense', 'lt'] }, { detectorWindow: 3 }],
  ['search', 's', { s: 0.001 }, { s: 0.001, sr: true }],
  ['benchJob', 'modes', { modes: ['tuned'], peer: 'none' }, { modes: ['tuned'], s: 0.001 }],
  ['search', 'swaStart', { swaStart: 3 }, { swaStart: 3, swa: true }],
  ['prune', 'limitTrain', { limitTrain: 5 }, { limitTrain: 5, criterion: 'taylor', dataset: 'cifar10' }],
  ['prune', 'sigma', { sigma: 2 }, { sigma: 2, criterion: 'snip', dataset: 'cifar10', filter: 'lowpass' }],
  ['search', 'criterionBatches', { criterionBatches: 2 }, { criterionBatches: 2, criterion: 'snip' }],
  ['search', 'sigma', { sigma: 2 }, { sigma: 2, filter: 'lowpass' }],
  // Images of CIFAR may lie in class folders, some of them of a kind that is not read.
  ['search', 'maxBad', { maxBad: 1, dataset: 'synthetic' }, { maxBad: 1 }],
  ['search', 'data', { data: 'd', dataset: 'synthetic' }, { data: 'd' }],
  ['search', 'workers', { workers: 2 }, { workers: 2, dataset: 'imagenet' }],
  ['search', 'startEpoch', { startEpoch: 3, resume: 'r' }, { startEpoch: 3 }],
  ['retrain', 'reinit', { reinit: true }, { reinit: true, scratch: 'p' }],
  ['evaluate', 'testBatchSize', { testBatchSize: 8, batchSize: 4 }, { testBatchSize: 8 }],
  ['evaluate', 'scratch', { scratch: 's', resume: 'r', cfg: [8, 'M'] }, { scratch: 's', resume: 'r' }],
  ['distance', 'percent', { percent: 0.3, ratios: [0.5] }, { percent: 0.3 }],
  ['distance', 'key', { key: 'a', from: 'masks' }, { key: 'a' }],
  ['plot', 'overlap', { overlap: true, drawing: true }, { overlap: true }],
  ['export', 'rounds', { rounds: 3 }, { rounds: 3, measure: true }],
  ['study', 'controlDraws', { controlDraws: [1], controls: ['none'] }, { controlDraws: [1] }],
  ['benchEnergy', 'imagesPerSecond', { imagesPerSecond: 5 }, { imagesPerSecond: 5, dryRun: true }],
  ['search', 'watts', { watts: 5, energy: 'off' }, { watts: 5 }],
  ['benchEnergy', 'watts', { watts: 5, energy: 'off' }, { watts: 5, energy: 'off', dryRun: true }],
  ['benchStep', 'roundTo', { roundTo: 8 }, { roundTo: 8, ticket: 0.5 }],
  ['benchStep', 'precision', { precision: 'bf16', lowPrecision: true }, { precision: 'bf16' }],
  ['benchKernels', 'timeout', { timeout: 5, format: 'mxint8' }, { timeout: 5 }],
  ['benchLoader', 'python', { python: 'p', peer: 'none' }, { python: 'p', workers: 2 }],
  ['benchStep', 'timeout', { timeout: 5, peer: 'none' }, { timeout: 5, peer: 'none', besideLoad: 2 }],
  ['benchDetect', 'steps', { steps: 5, epochSeconds: 3 }, { steps: 5 }],
  ['search', 'gpuIds', { gpuIds: '0', device: 'cpu' }, { gpuIds: '0' }],
  ['search', 'capture', { capture: false, gpuIds: '-1' }, { capture: false }],
];

/** Entries that a command cannot do without. */
const NEEDED: Partial<Record<CommandName, Given>> = {
  prune: { model: 'm' },
  export: { checkpoint: 'c' },
  benchLoader: { data: 'd' },
};

const needed = (command: CommandName, entries: Given) => ({ ...NEEDED[command], ...entries });

test.each(EXAMPLES)('%s: %s of %j, not of %j', (command, key, idle, used) => {
  expect(notesOf(command, needed(command, idle))).toEqual([
    expect.stringMatching(/^note: --\S+( .+)? does nothing here; it needs .+\.$/),
  ]);
  expect(notesOf(command, needed(command, used))).toEqual([]);
  expect([Object.hasOwn(idle, key), Object.hasOwn(used, key)]).toEqual([true, true]);
});

test('every row has an example', () => {
  const isShown = ({ keys, of, needs }: (typeof ROWS)[number]) =>
    EXAMPLES.some(
      ([command, key, idle]) =>
        keys.includes(key) &&
        (of?.includes(command) ?? true) &&
        notesOf(command, needed(command, idle))[0]!.endsWith(`it needs ${needs}.`),
    );
  expect(ROWS.filter((row) => !isShown(row)).map(({ keys }) => keys)).toEqual([]);
});

test('the sentence has the option as on the command line', () => {
  expect(recipeFrom('search', { rounding: 'nearest', 'swa-start': '3' }).notes).toEqual([
    'note: --swa-start 3 does nothing here; it needs --swa.',
    'note: --rounding nearest does nothing here; it needs low precision: --format, or a --wl option.',
  ]);
  expect(recipeFrom('search', { capture: false, device: 'cpu' }).notes).toEqual([
    'note: --no-capture does nothing here; it needs a GPU.',
  ]);
});

test('what a preset, a default or an option for compatibility says is not mentioned', () => {
  expect(recipeFrom('search', { preset: 'resnet50-imagenet' }).notes).toEqual([]);
  expect(recipeFrom('evaluate', { resume: 'x', 'swa-start': '60', s: '1' }).notes).toEqual([]);
});

test('a printed recipe, which has every default, gives no notes as a file', () => {
  for (const command of ['search', 'train', 'retrain', 'evaluate', 'study', 'benchEnergy'] as const) {
    const printed = JSON.parse(JSON.stringify(recipeFrom(command, {}).recipe));
    expect([command, notesOf(command, printed)]).toEqual([command, []]);
  }
});
