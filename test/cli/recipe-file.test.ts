import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entryNames, recipeFrom } from '../../src/cli/options';
import { readRecipeFile } from '../../src/cli/recipe-file';
import { identityOf } from '../../src/recipe/identity';
import { parseRecipe } from '../../src/recipe/recipe';
import { recipeJsonSchema, recipeTemplate } from '../../src/recipe/template';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-recipe-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const COMMANDS = ['train', 'search', 'retrain', 'prune', 'evaluate', 'study'] as const;

function read(text: string, command: (typeof COMMANDS)[number] = 'train') {
  const path = join(folder, 'recipe.yaml');
  writeFileSync(path, text);
  return readRecipeFile(path, entryNames(command));
}

test('the command line wins over the file, the file over its preset; what a run is does not change', () => {
  const file = read('preset: vgg16-cifar10\nlr: 0.05\nschedule: [3, 5]\nepochs: 9\nsr: true\n', 'search');
  const { recipe, notes } = recipeFrom('search', { lr: '0.2' }, file);
  expect(recipe).toMatchObject({ lr: 0.2, schedule: [3, 5], epochs: 9, batchSize: 256, dataset: 'cifar10' });
  expect(notes).toEqual([]);
  const flags = {
    preset: 'vgg16-cifar10',
    lr: '0.2',
    schedule: ['3', '5'],
    epochs: '9',
    'sparsity-regularization': true,
  };
  expect(identityOf('search', recipe)).toEqual(identityOf('search', recipeFrom('search', flags).recipe));
  expect(recipeFrom('search', { preset: 'resnet18-imagenet' }, file).recipe).toMatchObject({
    arch: 'resnet18',
    lr: 0.05,
  });
});

test('a validated recipe as JSON is a recipe file', () => {
  const recipe = parseRecipe('train', { dataset: 'synthetic', percent: 0.5, cfg: [8, 'M'], arch: 'vgg', depth: 11 });
  expect(recipeFrom('train', {}, read(JSON.stringify(recipe))).recipe).toEqual(recipe);
});

test('an entry without a value is left out; an empty flag too', () => {
  expect(read('lr:\ndata: ~\nepochs: 7\n').entries).toEqual({ epochs: 7 });
});

test.each([
  ['epocs: 3', 'recipe.yaml has an unknown entry, "epocs": did you mean epochs?'],
  ['weight-decay: 1', 'did you mean weightDecay?'],
  ['wd: 1', 'did you mean weightDecay?'],
  ['sparsity-regularization: true', 'did you mean sr?'],
  ['force: true', 'has an unknown entry, "force"'],
  ['json: true', 'has an unknown entry, "json"'],
  ['__proto__: {a: 1}', 'has an unknown entry, "__proto__"'],
  ['constructor: 1', 'has an unknown entry, "constructor"'],
  ['- 1', 'is not a recipe'],
  ['', 'is not a recipe'],
  ['lr: [0.1', 'is not valid YAML'],
  ['lr: 0.1\nlr: 0.2', 'is not valid YAML'],
  ['save: !!js/function "return 1"', 'is not valid YAML: Unresolved tag'],
  ['lr: 1\0', ''],
])('%j is refused', (text, message) => {
  expect(() => recipeFrom('train', {}, read(text))).toThrow(expect.objectContaining({ code: 'ERR_RECIPE' }));
  expect(() => recipeFrom('train', {}, read(text))).toThrow(message);
});

test('a wrong value names the file, unless the command line gave it', () => {
  const file = read('lr: fast\nepochs: 9\n');
  expect(() => recipeFrom('train', {}, file)).toThrow(
    /recipe\.yaml: --lr fast is not possible: give a number above 0\.$/,
  );
  expect(() => recipeFrom('train', { lr: 'slow' }, file)).toThrow(/^--lr slow is not possible/);
});

test('aliases that multiply, and files that are too large, are refused before they take memory', () => {
  const layers = Array.from(
    { length: 9 },
    (_, i) =>
      `a${i}: &a${i} [${Array(9)
        .fill(i ? `*a${i - 1}` : '1')
        .join(', ')}]`,
  );
  expect(() => read(layers.join('\n'))).toThrow(/cannot be read: .*alias/i);
  expect(() => read(`# ${'x'.repeat(2 ** 20)}\nlr: 1`)).toThrow('is larger than 1 MB');
  expect(() => readRecipeFile(join(folder, 'none'), new Map())).toThrow(expect.objectContaining({ code: 'ERR_FILE' }));
});

describe.each(COMMANDS)('the file that init writes for %s', (command) => {
  test('has the defaults: with or without the marks of its comments it is the same recipe', async () => {
    const text = await recipeTemplate(command, {}, 'x.schema.json');
    expect(text).toMatch(/^# yaml-language-server: \$schema=x\.schema\.json\n/);
    expect(text.split('\n').filter((line) => line && !line.startsWith('#'))).toEqual([]);
    // An entry is a name and its value; the rest is a sentence.
    const opened = text.replace(/^# (\w+:( .*)?)$/gm, (line, entry: string) =>
      entryNames(command).has(entry.split(':')[0]!) && !/\[.* .*\]$|\)$/.test(entry) ? entry : line,
    );
    const needed = command === 'prune' ? { model: 'a.pth.tar' } : {};
    const { entries } = read(`${opened}`, command);
    expect(Object.keys(entries).length).toBeGreaterThan(10);
    const { path } = read('lr: 1', 'train');
    expect(recipeFrom(command, needed, { path, entries }).recipe).toEqual(recipeFrom(command, needed).recipe);
  });

  test('is checked by a JSON Schema that knows each entry', () => {
    const { properties, additionalProperties } = recipeJsonSchema(command) as {
      properties: Record<string, { description?: string }>;
      additionalProperties: boolean;
    };
    expect(additionalProperties).toBe(false);
    expect(Object.keys(properties).sort()).toEqual(
      [...new Set(entryNames(command).values()), 'preset'].sort().filter((key, i, all) => key !== all[i - 1]),
    );
    for (const { description } of Object.values(properties).slice(0, 3)) expect(description).toBeTruthy();
  });
});

test('a preset is filled in', async () => {
  const text = await recipeTemplate('train', { schedule: [4, 14], cfg: [16, 'M'], save: './runs/demo' }, null);
  expect(read(text).entries).toEqual({ schedule: [4, 14], cfg: [16, 'M'], save: './runs/demo' });
});
