/** Low precision through search, pruning, retraining and evaluation, on an engine of a few numbers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Dict } from '../../src/checkpoint/value';
import { prune } from '../../src/prune/prune';
import { FULL_PRECISION } from '../../src/recipe/precision';
import { parseRecipe } from '../../src/recipe/recipe';
import { ebTrain } from '../../src/train/eb-train';
import { evaluate } from '../../src/train/evaluate';
import { retrain } from '../../src/train/retrain';
import { search } from '../../src/train/search';
import { temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({ loadAddon: () => engine.addon }));

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

beforeEach(() => {
  engine = fakeEngine();
});
afterEach(() => expect(engine.alive).toBe(0));

const DATA = { dataset: 'synthetic', limitTrain: 20, limitTest: 10, device: 'cpu' };
const BASE = { ...DATA, report: false, batchSize: 4, testBatchSize: 8 };
const LOW = { wlWeight: 8, wlActivate: 8, wlGrad: 8, wlError: 8, wlMomentum: 8 };
const EAGER = { detectorWindow: 2, detectorThreshold: 1 };

describe('a ticket of low precision', () => {
  const ticket = () => at('ticket', 'pruned.pth.tar');
  const low = { weight: 8, activate: 8, rounding: 'stochastic', flavour: 'qtorch' };
  const again = (save: string, more: object = {}) =>
    retrain(parseRecipe('retrain', { ...BASE, scratch: ticket(), epochs: 3, save: at(save), ...more }));

  beforeAll(async () => {
    engine = fakeEngine();
    await search(parseRecipe('search', { ...BASE, ...LOW, ...EAGER, epochs: 3, save: at('dense') }));
    const recipe = { model: at('dense', 'EB-30-2.pth.tar'), percent: 0.5, save: at('ticket'), measure: false };
    const report = await prune(parseRecipe('prune', { ...recipe, device: 'cpu', protective: true }));
    expect([report.protective, engine.protective.at(-1)]).toEqual([true, true]);
    expect(engine.models.at(-1)!.formats).toMatchObject(low);
  });

  test('says so, and is trained on in low precision', async () => {
    const value = (await readCheckpoint(ticket())).value as Dict;
    expect([...(value.get('state_dict') as Dict).keys()]).toContain('feature.0.0.weight');
    const { result } = await again('low');
    expect(engine.models[0]!.formats).toMatchObject(low);
    expect(result.completed).toBe(3);
    const { identity } = JSON.parse(readFileSync(at('low', 'params.json'), 'utf8'));
    expect(identity).toMatchObject(LOW);
  });

  test('is trained in full precision where that is asked for, and the other way round', async () => {
    await again('full', FULL_PRECISION);
    expect(engine.models[0]!.formats).toBeUndefined();
    const value = (await readCheckpoint(at('full', 'checkpoint.pth.tar'))).value as Dict;
    expect([...(value.get('state_dict') as Dict).keys()]).toContain('feature.0.weight');

    const full = { model: at('dense', 'EB-30-2.pth.tar'), save: at('full-ticket'), measure: false, device: 'cpu' };
    await prune(parseRecipe('prune', { ...full, ...FULL_PRECISION }));
    await retrain(
      parseRecipe('retrain', {
        ...BASE,
        ...LOW,
        scratch: at('full-ticket', 'pruned.pth.tar'),
        epochs: 2,
        save: at('back'),
      }),
    );
    expect(engine.models.at(-1)!.formats).toMatchObject(low);
    expect(engine.models.at(-2)!.formats).toBeUndefined();
  });

  test('of the reference, which says no word lengths, is taken in full precision with a note', async () => {
    const value = (await readCheckpoint(ticket())).value as Dict;
    const released = at('released.pth.tar');
    await writeCheckpoint(released, new Map([...value].filter(([key]) => key !== 'earlybird')));
    const log: string[] = [];
    const test = (more: object) =>
      evaluate(parseRecipe('evaluate', { ...BASE, batchSize: 4, resume: released, ...more }), {
        observer: { log: (line) => log.push(line) },
      });
    expect((await test({})).lowPrecision).toBeNull();
    expect(log.join()).toContain('does not say its word lengths');
    // A test rounds what convolutions give out, and nothing else in block floating point.
    expect((await test({ ...LOW, testRounding: 'nearest' })).lowPrecision).toMatchObject({
      ...{ weight: -1, activate: 8, grad: -1, error: -1, momentum: -1 },
      rounding: 'nearest',
    });
    expect(log).toHaveLength(1);
    expect(engine.evaluations.at(-1)).toMatchObject({ rounding: 'nearest' });
    expect((await test({ wlWeight: 4 })).lowPrecision).toBeNull();
  });
});

test('evaluate without a file says which word is missing', async () => {
  await expect(evaluate(parseRecipe('evaluate', {}))).rejects.toMatchObject({
    code: 'ERR_USAGE',
    message: 'FILE is missing: give the checkpoint to evaluate.',
  });
});

test.each([
  ['ff', [-1, -1, -1]],
  ['lf', [8, -1, -1]],
  ['ll', [8, 8, 8]],
] as const)('EB Train %s', async (variant, expected) => {
  const recipe = { ...BASE, ...EAGER, variant, epochs: 3, save: at(variant), measure: false };
  const { retrain: ticket } = (await ebTrain(parseRecipe('train', recipe))).result;
  expect(ticket.completed).toBe(3);
  // The models are those of search, prune, retrain.
  expect(engine.models.map(({ formats }) => formats?.weight ?? -1)).toEqual(expected);
});
