/** The parts of a study in processes of their own, which run a program that stands in for ours. */
import { parseRecipe } from '../../src/recipe/recipe';
import { type Part, type Progress, runParts } from '../../src/study/parts';
import { makeTree, type Tree } from '../support/image-tree';

jest.mock('../../src/package', () => ({ ...jest.requireActual('../../src/package') }));

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
  jest.requireMock('../../src/package').packageRoot = tree.root;
});
afterEach(() => tree.remove());

/** What `study --only KEY` does, by key. */
const DOES: Record<string, string> = {
  killed: "process.kill(process.pid, 'SIGKILL')",
  refused: `console.error('{"error":{"code":"ERR_RECIPE","message":"No."}}'); process.exitCode = 2`,
  crashed: "console.error('Segmentation fault'); process.exitCode = 139",
};

async function run(keys: string[]): Promise<Record<string, string | null>> {
  const main = `const key = process.argv[process.argv.indexOf('--only') + 1];
const does = ${JSON.stringify(DOES)}[key];
does ? eval(does) : console.log('{}');`;
  tree.place('dist/cli/main.js', main);
  const recipe = parseRecipe('study', { dataset: 'synthetic', save: tree.at('save'), jobs: 2, device: 'cpu' });
  const parts = keys.map((key): Part => ({ key, name: key, work: 1, outcome: async () => null, run: here }));
  const outcomes: Record<string, string | null> = {};
  await runParts(recipe, parts, {}, async ({ part, failure }: Progress) => {
    outcomes[part.key] = failure && `${failure.code} ${failure.message}`;
  });
  return outcomes;
}

async function here(): Promise<void> {
  throw new Error('in this process');
}

test('one that is killed is named, and the others go on', async () => {
  expect(await run(['killed', 'a', 'b', 'c'])).toEqual({
    ...{ a: null, b: null, c: null },
    killed: 'ERR_OUT_OF_MEMORY earlybird study was killed, probably for memory; the same command tries it again.',
  });
});

test('what is wrong with all of them ends the study', async () => {
  await expect(run(['refused', 'a'])).rejects.toMatchObject({ code: 'ERR_RECIPE', message: 'No.' });
  await expect(run(['crashed', 'a'])).rejects.toMatchObject({
    code: 'ERR_INTERNAL',
    message: 'earlybird study gave no result: Segmentation fault.',
  });
});
