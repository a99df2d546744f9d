import type { ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { benchBesideLoad } from '../../src/bench/beside-load';
import { besideBusy } from '../../src/bench/busy';
import { loadText } from '../../src/cli/print/step';
import { parseRecipe } from '../../src/recipe/recipe';
import { makeTree, type Tree } from '../support/image-tree';

const children: ChildProcess[] = [];
jest.mock('node:child_process', () => {
  const real = jest.requireActual('node:child_process');
  return {
    ...real,
    spawn: (...words: Parameters<typeof spawn>) => {
      const child = real.spawn(...words);
      children.push(child);
      return child;
    },
  };
});
jest.mock('../../src/engine/machine', () => ({
  ...jest.requireActual('../../src/engine/machine'),
  describeMachine: async () => ({ fingerprint: 'one' }),
}));
jest.mock('../../src/engine/device', () => ({
  ...jest.requireActual('../../src/engine/device'),
  openEngine: () => ({}),
}));
jest.mock('../../src/cli/print/cells', () => ({
  ...jest.requireActual('../../src/cli/print/cells'),
  withMachine: (_: unknown, lines: string[]) => lines.join('\n'),
}));

const running = () => children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;
const runs: string[] = [];
/** Images per second: quiet 200 of ours, 100 tuned, 80 reference; beside load the rates that are left, by round. */
const QUIET: Record<string, number> = { earlybird: 200, tuned: 100, reference: 80 };
const LEFT: Record<string, number[]> = { earlybird: [0.5, 0.4], tuned: [0.5, 0.8], reference: [1.2, 1.2] };
jest.mock('../../src/engine/program', () => ({
  ...jest.requireActual('../../src/engine/program'),
  runProgram: async (_program: string, words: string[]) => {
    const of = (flag: string) => words[words.indexOf(`--${flag}`) + 1]!;
    const system = words.includes('bench') ? 'earlybird' : of('mode');
    const load = running();
    const before = runs.filter((run) => run === `${system} ${load}`).length;
    runs.push(`${system} ${load}`);
    const rate = QUIET[system]! * (load > 0 ? LEFT[system]![before]! : 1);
    if (system === 'earlybird') {
      expect(words).not.toContain('--beside-load');
      return JSON.stringify({ systems: { earlybird: { runs: [{ dtype: 'fp32', imagesPerSecond: rate }] } } });
    }
    const record = { dtype: 'fp32', torch: '2', threads: 2, images_per_s_wall: rate, batch: 5, peak_mib: {} };
    writeFileSync(of('json'), JSON.stringify(record));
    return '';
  },
}));

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
  runs.length = 0;
  children.length = 0;
});
afterEach(() => tree.remove());

test('quiet and loaded runs of both take turns, and the ratios are compared round by round', async () => {
  tree.place('peer_train.py', '');
  const recipe = { peer: tree.root, modes: ['reference', 'tuned'], rounds: 2, besideLoad: 2, precision: 'fp32' };
  const result = await benchBesideLoad(parseRecipe('benchStep', recipe));
  const round = ['earlybird 0', 'earlybird 2', 'reference 0', 'reference 2', 'tuned 0', 'tuned 2'];
  expect(runs).toEqual([...round, ...[...round].reverse()]);
  expect(running()).toBe(0);
  expect(result.systems.earlybird).toMatchObject({ quiet: { median: 200 }, loaded: { low: 80, high: 100 } });
  expect(result.systems.earlybird!.left).toBeCloseTo(0.45);
  expect(result.ratios.tuned!.quiet).toBe(2);
  expect(result.ratios.tuned!.loaded).toBeCloseTo(90 / 65);
  expect(result.ratioOfRatios.tuned!.high).toBeCloseTo(1);
  expect(result.ratioOfRatios.tuned!.low).toBeCloseTo(0.5);
  // Round 2: ours 80, reference 96 beside load is faster than tuned with 80. Quiet: 200 over 100.
  expect(result.worst).toBeCloseTo(80 / 96 / 2);
  const text = loadText(result);
  expect(text).toContain('quiet and beside 2 busy programs');
  expect(text).toMatch(/^earlybird +fp32 +200\.0 +90\.0 +80\.0 to 100\.0 +0\.45$/m);
  expect(text).toMatch(
    /^tuned +fp32 +100\.0 +65\.0 +50\.0 to 80\.0 +0\.65 +2\.00x +1\.38x +0\.75 \(0\.50 to 1\.00\)$/m,
  );
  expect(text).toContain('lowest of all rounds: 0.42 of the quiet ratio');
});

test('without a peer it tells what is left of our rate', async () => {
  const recipe = parseRecipe('benchStep', { peer: 'none', rounds: 1, besideLoad: 1, precision: 'fp32' });
  const result = await benchBesideLoad(recipe);
  expect(result).toMatchObject({ ratios: {}, worst: null, systems: { earlybird: { left: 0.5 } } });
  expect(loadText(result)).toMatch(/^earlybird +fp32 +200\.0 +100\.0 +100\.0 to 100\.0 +0\.50$/m);
});

test.each([{ ticket: 0.5 }, { lowPrecision: true }])('refused beside %j', async (more) => {
  const recipe = parseRecipe('benchStep', { peer: 'none', besideLoad: 1, ...more });
  await expect(benchBesideLoad(recipe)).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('busy programs are gone after an error', async () => {
  const failing = besideBusy(3, async () => {
    expect(running()).toBe(3);
    throw new Error('no figure');
  });
  await expect(failing).rejects.toThrow('no figure');
  expect(running()).toBe(0);
});

test('busy programs end with the process that started them, even if it is killed', async () => {
  let program: ChildProcess | undefined;
  await besideBusy(1, async () => {
    program = children.at(-1)!;
    const gone = new Promise<void>((exited) => program!.once('exit', () => exited()));
    // The program sees no more of a parent that was killed than the end of its input.
    program.stdin!.end();
    await gone;
  });
  expect(program!.exitCode).toBe(0);
});
