/** Steps under the profiler: they train as any other, and their time is accounted for. */
import type { NativeTrainer } from '../../src/native/types/trainer';
import { addon, smallDataset, smallModel, smallTrainer } from '../support/small-handles';

addon.setThreads(1);

async function withTrainer<T>(use: (trainer: NativeTrainer, epoch: object) => Promise<T>): Promise<T> {
  const [model, dataset] = [await smallModel(), await smallDataset(32)];
  const trainer = await smallTrainer(model);
  try {
    return await use(trainer, { dataset, epoch: 0, lr: 0.1, batchSize: 8 });
  } finally {
    for (const handle of [trainer, model, dataset]) handle.dispose();
  }
}

test('operators, own times within the time of the steps, twice', async () => {
  await withTrainer(async (trainer, epoch) => {
    for (const steps of [2, 3]) {
      const profile = await trainer.profile({ ...epoch, steps } as never);
      expect(profile).toMatchObject({ source: 'operators', launches: 0, gaps: 0, longestGap: 0 });
      expect(profile.pass).toMatchObject({ steps, images: 8 * steps });
      expect(profile.span).toBeCloseTo(profile.pass.seconds * 1000, 6);
      const sgd = profile.kernels.find(({ name }) => name === 'aten::_fused_sgd_');
      expect(sgd!.calls).toBe(steps);
      expect(profile.kernels.every(({ milliseconds }) => milliseconds >= 0)).toBe(true);
      const total = profile.kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      expect(Math.abs(total - profile.busy)).toBeLessThan(0.01 * profile.busy);
    }
  });
});

test('profiles that are asked for together follow each other', async () => {
  await withTrainer(async (trainer, epoch) => {
    const ask = (steps: number) => trainer.profile({ ...epoch, steps } as never);
    const profiles = await Promise.all([ask(1), ask(2), ask(1)]);
    for (const [i, { kernels }] of profiles.entries())
      expect(kernels.find(({ name }) => name === 'aten::_fused_sgd_')!.calls).toBe([1, 2, 1][i]);
  });
});

test('the profiler changes no weight', async () => {
  const weights = async (profiled: boolean) =>
    withTrainer(async (trainer, epoch) => {
      const options = { ...epoch, steps: 3 } as never;
      await (profiled ? trainer.profile(options) : trainer.epoch(options));
      return (await trainer.snapshot()).state.get('classifier.weight')!.data;
    });
  expect(await weights(true)).toEqual(await weights(false));
});

test('an aborted profile leaves no profiler behind', async () => {
  await withTrainer(async (trainer, epoch) => {
    const options = { ...epoch, steps: 4 };
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(trainer.profile({ ...options, signal } as never)).rejects.toThrow('enough');
    expect((await trainer.profile(options as never)).pass.steps).toBe(4);
    await expect(trainer.profile({ ...options, steps: 0 } as never)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});

test('ceilings: a copy, and products in what the processor multiplies', async () => {
  const rows = await addon.benchCeilings({ device: 'cpu', copyBytes: 4096, side: 16, repetitions: 1 });
  const products = addon.runtime().bf16 ? ['fp32', 'bf16'] : ['fp32'];
  expect(rows.map(({ kernel, name, shape }) => [kernel, name, shape])).toEqual([
    ['copy', 'fp32', [1024]],
    ...products.map((name) => ['matmul', name, [16, 16, 16]]),
  ]);
  expect(rows[0]).toMatchObject({ bytes: 8192 });
  expect(rows.every(({ median }) => median > 0)).toBe(true);
  const none = { device: 'cpu', copyBytes: 0, side: 16, repetitions: 1 };
  await expect(addon.benchCeilings(none)).rejects.toMatchObject({ code: 'ERR_USAGE' });
});
