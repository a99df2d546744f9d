/** Kernels of convolutions on ranks of unlike processors. */
import type { KernelTable } from '../../src/native/types/kernels';
import { type Followed, follow } from '../../src/ranks/follower';
import type { Ranks, Word } from '../../src/ranks/ranks';

const GIVEN = { 'bf16 3x3': 'integer', 'bf16 1x1': 'packed' };

/** Follows a rank 0 that chose GIVEN, with a processor that answers with `own`. */
function following(own: KernelTable, syncBn: boolean) {
  const words: Word[] = [
    { do: 'make', id: 1, what: 'model', spec: {} },
    { do: 'call', on: 1, method: 'chooseKernels', args: [{ precision: 'bf16', given: GIVEN }] },
    { do: 'end' },
  ];
  const ranks = { listen: async () => words.shift()!, options: { syncBn }, place: { rank: 1 } } as unknown as Ranks;
  const model = { share: async () => {}, chooseKernels: async () => own, [Symbol.dispose]: () => {} };
  const engine = { addon: { createModel: async () => model }, device: 'cpu' } as unknown as Followed;
  return follow(ranks, engine, async () => {
    throw new Error('no data');
  });
}

test('the same kernels, and others without shared statistics, pass', async () => {
  expect(await following({ ...GIVEN, 'fp32 1x1': 'direct' }, true)).toEqual({ do: 'end' });
  expect(await following({ 'bf16 3x3': 'direct' }, false)).toEqual({ do: 'end' });
});

test('--sync-bn needs those of rank 0', async () => {
  await expect(following({ ...GIVEN, 'bf16 3x3': 'winograd' }, true)).rejects.toMatchObject({
    code: 'ERR_RANKS',
    message: expect.stringMatching(
      /^Rank 1 lacks the integer kernel that rank 0 chose \(bf16 3x3\).*EARLYBIRD_KERNELS=direct/,
    ),
  });
});
