/** Masks inside epochs: those that the criterion of the search draws of the weights at that step, before any checkpoint of it. */
import type { RunMeter } from '../../src/energy/meter';
import { EarlybirdError } from '../../src/errors';
import type { PassResult } from '../../src/native/types/pass';
import type { NativeTrainer } from '../../src/native/types/trainer';
import { type Drawing, drawMasks } from '../../src/prune/draw';
import type { Snapshot } from '../../src/run/checkpoint';
import { CheckpointWriter } from '../../src/run/checkpoint-writer';
import { RunDirectory } from '../../src/run/directory';
import { EpochParts, maskStops } from '../../src/train/inside-epoch';
import { temporaryFolder } from '../cli/tiny';
import { smallDataset, smallModel, smallTrainer } from '../support/small-handles';

const folder = temporaryFolder();
afterAll(() => folder.remove());
afterEach(() => jest.restoreAllMocks());

const RATIOS = [0.3, 0.5];
const energy = {
  metered: (_name: string, work: () => unknown) => work(),
  lap: async () => null,
} as unknown as RunMeter;

test.each<Pick<Drawing, 'criterion' | 'budget'>>([
  { criterion: 'l1', budget: 'channels' },
  { criterion: 'l1', budget: 'flops' },
  { criterion: 'taylor', budget: 'channels' },
])('%j', async (ranking) => {
  const [batches, batchSize, lr] = [6, 8, 0.05];
  using model = await smallModel();
  using dataset = await smallDataset(batches * batchSize);
  using trainer = await smallTrainer(model);
  const drawing = { ...ranking, seed: 1, images: { dataset, batches: 2, batchSize } };
  const directory = RunDirectory.at(folder.path);
  const stored: [number, number, string][] = [];
  const bits = (mask: Uint8Array) => Buffer.from(mask).toString('hex');
  jest.spyOn(directory, 'writeMask').mockImplementation(async (ratio, row, mask, file) => {
    const { masks } = await drawMasks(model, [ratio], drawing);
    expect(bits(mask)).toBe(bits(masks[0]!.bits));
    expect(bits(mask)).not.toBe(bits((await model.masks([ratio]))[0]!.bits));
    stored.push([ratio, row, file!]);
  });
  const run = { model, directory, energy, detection: { ratios: RATIOS, drawing }, settings: { maskEvery: 2 } };
  const parts = new EpochParts({
    ...{ trainer, energy, batches, file: '', signal: undefined, every: undefined, from: undefined },
    ...{ writer: new CheckpointWriter(), signals: { distances: {} }, content: () => expect(0).toBe(1) as never },
    masks: maskStops(run, 1, batches),
  });
  await parts.train((from, steps) =>
    trainer.epoch({ dataset, batchSize, epoch: 1, lr, ...(from && { from }), ...(steps && { steps }) }),
  );
  // Two a whole epoch; the last steps are those before the mask between epochs.
  const rows = [2, 3].flatMap((row) => RATIOS.map((ratio) => [ratio, row, `masks/${100 * ratio}.steps.bits`]));
  expect(stored).toEqual(rows);
});

test('a run that is aborted where masks are due stores them before its checkpoint', async () => {
  const abort = new AbortController();
  const position = { batches: 0, steps: 0, images: 0, sums: [], seconds: 0, waited: 0, bad: [] };
  const done: string[] = [];
  const parts = new EpochParts({
    trainer: {
      position: async () => ({ ...position }),
      snapshot: async () => ({}) as Snapshot,
    } as unknown as NativeTrainer,
    ...{ energy, batches: 6, file: 'inside', signal: abort.signal, every: 3, from: undefined },
    ...{ signals: { distances: {} }, content: () => done.push('checkpoint') as never },
    writer: { start: async () => {} } as unknown as CheckpointWriter,
    masks: { every: 2, draw: async (steps) => void done.push(`masks ${steps}`) },
  });
  const pass = async (): Promise<PassResult> => {
    position.batches = position.steps = 2;
    abort.abort();
    throw new EarlybirdError('ERR_ABORTED', 'enough');
  };
  await expect(parts.train(pass)).rejects.toThrow('enough');
  await parts.keep().catch(() => {});
  expect(done).toEqual(['masks 2', 'checkpoint']);
});
