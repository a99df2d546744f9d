/** The command line of another process of ours. */
import { runApart } from '../../src/engine/apart';
import { runProgram } from '../../src/engine/program';

jest.mock('../../src/engine/program', () => ({
  ...jest.requireActual('../../src/engine/program'),
  runProgram: jest.fn(async () => '{}'),
}));

test('an empty list is one empty word, as a list flag without a value is refused', async () => {
  await runApart(['study'], { schedule: [], ratios: [0.3, 0.5], save: undefined }, {}, {});
  const [, words] = jest.mocked(runProgram).mock.calls[0]!;
  expect(words.slice(1)).toEqual(['study', '--schedule', '', '--ratios', '0.3', '0.5', '--json', '--quiet']);
});
