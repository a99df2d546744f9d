/** Why a mask is empty, on an engine of a few numbers. */
import { join } from 'node:path';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Dict } from '../../src/checkpoint/value';
import { prune } from '../../src/prune/prune';
import { parseRecipe } from '../../src/recipe/recipe';
import { search } from '../../src/train/search';
import { temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({ loadAddon: () => engine.addon }));

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

const cut = (model: string, percent: number) =>
  prune(parseRecipe('prune', { model, percent, save: at('ticket'), measure: false, device: 'cpu' }));
const refusal = (message: string) => ({ code: 'ERR_PRUNE', message });

beforeAll(async () => {
  engine = fakeEngine();
  const data = { dataset: 'synthetic', limitTrain: 20, limitTest: 10, device: 'cpu' };
  await search(parseRecipe('search', { ...data, report: false, batchSize: 4, epochs: 1, save: at('dense') }));
});

test('a ratio that leaves nothing is told from gammas that are equal', async () => {
  const model = at('dense', 'checkpoint.pth.tar');
  await expect(cut(model, 0.75)).rejects.toMatchObject(
    refusal(
      `The mask of ${model} at --percent 0.75 is empty: the ratio leaves none of its 4 channels, give a smaller one.`,
    ),
  );
  await cut(model, 0.74);

  const { value } = await readCheckpoint(model);
  const state = stateDictOf(value);
  const gamma = state.get('feature.1.weight')!;
  state.set('feature.1.weight', { ...gamma, data: new Uint8Array(new Float32Array(4).fill(0.5).buffer) });
  const equal = at('equal.pth.tar');
  await writeCheckpoint(equal, new Map([...(value as Dict), ['state_dict', stateDictValue(state)]]));
  await expect(cut(equal, 0.5)).rejects.toMatchObject(
    refusal(
      `The mask of ${equal} at --percent 0.5 is empty: its largest gammas are equal, as all are in an untrained network.`,
    ),
  );
});
