/** The trainings that `bench energy` starts and the folders that it refuses; the trainings here do nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchEnergy } from '../../src/cost/compare';
import { denseFolder } from '../../src/cost/rows';
import { EarlybirdError } from '../../src/errors';
import { parseRecipe } from '../../src/recipe/recipe';
import { temporaryFolder } from '../cli/tiny';

const diverge = jest.fn(async () => {
  throw new EarlybirdError('ERR_NUMERIC', 'Training diverged.');
});
jest.mock('../../src/train/retrain', () => ({ retrain: () => diverge() }));
jest.mock('../../src/engine/device', () => ({ openEngine: () => ({}) }));
jest.mock('../../src/engine/provenance', () => ({ engineProvenance: () => ({}) }));

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
const recipeOf = (save: string) =>
  parseRecipe('benchEnergy', {
    save: join(temporary.path, save),
    epochs: 2,
    methods: ['ns', 'lt'],
    baseline: 'ns',
    ratios: [0.3, 0.5],
    seeds: [1],
  });

test('a dense training that diverges is run once for all its rows, and its code is kept', async () => {
  await expect(benchEnergy(recipeOf('diverges'))).rejects.toMatchObject({
    code: 'ERR_NUMERIC',
    message: 'No row could be finished: Training diverged.',
  });
  expect(diverge).toHaveBeenCalledTimes(1);
});

test('folders of another recipe are refused before anything is trained, the shared dense one included', async () => {
  const recipe = recipeOf('other');
  const folder = denseFolder(recipe.save, 1);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'params.json'), JSON.stringify({ identity: { epochs: 7 } }));
  writeFileSync(join(folder, 'result.json'), '{}');
  diverge.mockClear();
  await expect(benchEnergy(recipe)).rejects.toMatchObject({ code: 'ERR_RECIPE' });
  expect(diverge).not.toHaveBeenCalled();
});
