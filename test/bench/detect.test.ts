/** The parts of a detection that are timed, by a clock that moves where work is done; and that no handle is left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchDetect, timeDetection } from '../../src/bench/detect';
import { benchProfile } from '../../src/bench/profile';
import { timeStep } from '../../src/bench/step';
import type { MaskResult, NativeModel } from '../../src/native/types/model';
import { parseRecipe } from '../../src/recipe/recipe';
import { RunDirectory } from '../../src/run/directory';
import { temporaryFolder } from '../cli/tiny';

const engine = { alive: 0, made: 0 };
jest.mock('../../src/native/addon', () => {
  const handle = (more: object = {}) => {
    engine.alive++;
    engine.made++;
    const dispose = () => {
      engine.alive--;
    };
    return { dispose, [Symbol.dispose]: dispose, ...more };
  };
  const addon = {
    loaded: '0.0.0',
    setThreads: () => {},
    teamSize: (threads: number) => threads,
    setKernels: () => undefined,
    runtime: () => ({ threads: 1, cpuCapability: 'none', cudaDevices: [] }),
    benchCeilings: async () => [
      { kernel: 'copy', name: 'fp32', shape: [1], bytes: 1, median: 1, low: 1, high: 1 },
      { kernel: 'matmul', name: 'fp32', shape: [1], bytes: 1, median: 1, low: 1, high: 1 },
    ],
    createDataset: async () => handle({ count: 1 }),
    createModel: async () => handle({ stateDict: async () => Promise.reject(new Error('no weights')) }),
    createTrainer: async () => Promise.reject(new Error('no memory')),
  };
  return { loadAddon: () => addon, loadedVariant: () => 'cpu' };
});

const folder = temporaryFolder();
afterAll(() => folder.remove());

const RATIOS = [0.3, 0.5, 0.7];
const masksAt = (epoch: number): MaskResult[] =>
  RATIOS.map((ratio) => ({
    ratio,
    threshold: 0,
    kept: 1,
    total: 8,
    bits: Uint8Array.of(epoch + 1),
    keptPerLayer: [],
  }));

test('a detection is timed with the files of its masks, and without', async () => {
  const directory = RunDirectory.at(folder.path);
  await directory.writeMaskIndex({ channels: 8, first: 0, ratios: RATIOS });
  let [clock, epoch] = [0, 0];
  const model: Pick<NativeModel, 'masks'> = {
    masks: async () => {
      clock += 3;
      return masksAt(epoch++);
    },
  };
  const slow = {
    writeMask: async (...args: Parameters<RunDirectory['writeMask']>) => {
      clock += 10;
      await directory.writeMask(...args);
    },
  };
  const times = await timeDetection({ model, directory: slow, channels: 8 }, 2, undefined, () => clock);
  expect(times).toEqual({ detect: [3, 3], whole: [33, 33] });
  expect(epoch).toBeGreaterThan(2); // the window was filled first
  for (const percent of [30, 50, 70])
    expect([...readFileSync(join(folder.path, 'masks', `${percent}.bits`))]).toEqual(
      Array.from({ length: epoch }, (_, i) => i + 1),
    );
});

const cpu = { device: 'cpu', batchSize: 50_000 };
test.each<[string, () => Promise<unknown>]>([
  ['bench profile', () => benchProfile(parseRecipe('benchProfile', cpu))],
  ['bench step', () => timeStep(parseRecipe('benchStep', cpu))],
  ['bench detect', () => benchDetect(parseRecipe('benchDetect', cpu))],
  ['bench detect of a given epoch', () => benchDetect(parseRecipe('benchDetect', { ...cpu, epochSeconds: 1 }))],
])('%s leaves nothing behind where a part of it cannot be made', async (_name, run) => {
  engine.made = 0;
  await expect(run()).rejects.toThrow(/no memory|no weights/);
  expect(engine.made).toBeGreaterThan(0);
  expect(engine.alive).toBe(0);
});
