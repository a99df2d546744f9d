/** A run records the kernels that it used, and goes on with them, on an engine of a few numbers. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRecipe } from '../../src/recipe/recipe';
import { ebTrain } from '../../src/train/eb-train';
import { evaluate } from '../../src/train/evaluate';
import { search } from '../../src/train/search';
import { temporaryFolder } from '../cli/tiny';
import { type FakeEngine, fakeEngine } from '../support/fake-addon';

let engine: FakeEngine;
jest.mock('../../src/native/addon', () => ({
  ...jest.requireActual('../../src/native/addon'),
  loadAddon: () => engine.addon,
}));

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

const CLASS = 'fp32 3x3';
const DATA = { dataset: 'synthetic', limitTrain: 20, limitTest: 10, device: 'cpu' };
const BASE = { ...DATA, report: false, batchSize: 4, testBatchSize: 8, epochs: 3 };
const lines: string[] = [];
const observer = { log: (line: string) => lines.push(line) };

const run = (save: string, more: object = {}) =>
  search(parseRecipe('search', { ...BASE, save: at(save), ...more }), { observer });
const recorded = (...names: string[]) => JSON.parse(readFileSync(at(...names, 'params.json'), 'utf8')).kernels;

function begin(kernel: string): FakeEngine {
  lines.length = 0;
  engine = Object.assign(fakeEngine(), { kernel });
  return engine;
}

/** The kernels that models made since begin() were given. */
const given = () => engine.models.map(({ kernels }) => kernels?.[CLASS]);

test('an interrupted run goes on with the kernels that it began with, whatever would be measured now', async () => {
  begin('winograd').before = stopAt(2);
  await expect(run('a')).rejects.toThrow('stop');
  expect(recorded('a')).toEqual({ [CLASS]: 'winograd' });
  begin('direct');
  await run('a');
  expect(given()).toEqual(['winograd']);
  expect(recorded('a')).toEqual({ [CLASS]: 'winograd' });
});

test('a run that goes on from the checkpoint of another folder takes the kernels of that run', async () => {
  begin('winograd');
  await run('b', { epochs: 2 });
  begin('direct');
  await run('c', { resume: at('b', 'checkpoint.pth.tar') });
  expect(recorded('c')).toEqual({ [CLASS]: 'winograd' });
  mkdirSync(at('alone'));
  copyFileSync(at('b', 'checkpoint.pth.tar'), at('alone', 'checkpoint.pth.tar'));
  await run('d', { resume: at('alone', 'checkpoint.pth.tar') });
  expect(recorded('d')).toEqual({ [CLASS]: 'direct' });
});

test('a new run, and one that starts over, choose anew', async () => {
  begin('direct');
  await search(parseRecipe('search', { ...BASE, save: at('b'), epochs: 2 }), { observer, force: true });
  expect(recorded('b')).toEqual({ [CLASS]: 'direct' });
});

test('kernels that are not there are replaced with a warning, and the new ones are recorded', async () => {
  begin('lost').before = stopAt(2);
  await expect(run('e')).rejects.toThrow('stop');
  begin('direct');
  await run('e');
  expect(lines).toContainEqual(expect.stringContaining('warning: this run used lost kernels'));
  expect(recorded('e')).toEqual({ [CLASS]: 'direct' });
});

test('retraining takes the kernels of the search before it, also where that was finished earlier', async () => {
  const train = () =>
    ebTrain(
      parseRecipe('train', {
        ...BASE,
        detectorWindow: 2,
        detectorThreshold: 1,
        percent: 0.3,
        measure: false,
        save: at('t'),
      }),
      { observer },
    );
  begin('winograd').before = failInRetraining();
  await expect(train()).rejects.toThrow('stop');
  const retraining = begin('direct');
  const { result } = await train();
  expect(recorded('t', 'search')).toEqual({ [CLASS]: 'winograd' });
  expect(JSON.parse(readFileSync(join(result.retrain.directory, 'params.json'), 'utf8')).kernels).toEqual({
    [CLASS]: 'winograd',
  });
  expect(retraining.models.at(-1)!.kernels).toEqual({ [CLASS]: 'winograd' });
});

test('a checkpoint is tested with the kernels of its run', async () => {
  begin('winograd');
  await run('f', { epochs: 2 });
  begin('direct');
  await evaluate(parseRecipe('evaluate', { ...DATA, resume: at('f', 'checkpoint.pth.tar'), testBatchSize: 8 }), {
    observer,
  });
  expect(given()).toEqual(['winograd']);
});

/** Ends a run in its epoch `number`. */
function stopAt(number: number): FakeEngine['before'] {
  let epochs = 0;
  return (what) => {
    if (what === 'epoch' && ++epochs === number) throw new Error('stop');
  };
}

/** A ticket emerges after two epochs, so the third one is that of the retraining. */
const failInRetraining = () => stopAt(3);
