import { availableCores } from '../../src/cores';
import { fitTeam, spinCount } from '../../src/native/threads';

/** An engine of `threads`, whose OpenMP starts no more than `most` (0: none at all). */
function engineOf(threads: number, most = 1024) {
  const set: number[] = [];
  return {
    set,
    runtime: () => ({ threads }) as never,
    setThreads: (count: number) => set.push(count),
    teamSize: (count: number) => Math.min(count, most),
  };
}

test('a team of the size that was set is not spoken of', () => {
  const engine = engineOf(4);
  expect(fitTeam(engine, 4, {})).toBeNull();
  expect(engine.set).toEqual([]);
});

test('a smaller team is what computes, with the reason', () => {
  const engine = engineOf(4, 2);
  expect(fitTeam(engine, 4, { OMP_THREAD_LIMIT: '2', GOMP_SPINCOUNT: '10000', HOME: '/root' })).toBe(
    'compute threads: 2, because OpenMP starts no more of 4 here (OMP_THREAD_LIMIT=2: unset it)',
  );
  expect(engine.set).toEqual([2]);
  expect(fitTeam(engineOf(4, 1), 4, {})).toContain('ulimit -u');
});

test('no team at all is an error instead of a run that hangs', () => {
  const env = { OMP_PLACES: '{0}', KMP_AFFINITY: 'x' };
  expect(() => fitTeam(engineOf(4, 0), 4, env)).toThrow(
    'OpenMP has not started 4 threads within 10 s (OMP_PLACES={0}, KMP_AFFINITY=x: unset them), or give fewer --threads.',
  );
});

test('the default is within the usable cores; OMP_NUM_THREADS is obeyed', () => {
  const { usable } = availableCores();
  const engine = engineOf(usable + 3);
  expect(fitTeam(engine, undefined, {})).toBeNull();
  expect(engine.set).toEqual([usable]);
  const told = engineOf(usable + 3);
  expect(fitTeam(told, undefined, { OMP_NUM_THREADS: String(usable + 3) })).toBeNull();
  expect(told.set).toEqual([]);
});

test.each([
  [{ allowed: 2, quota: null }, '10000'],
  [{ allowed: 8, quota: 8 }, '10000'],
  [{ allowed: 1, quota: null }, '0'],
  [{ allowed: 2, quota: 1 }, '0'],
  [{ allowed: 16, quota: 7.5 }, '0'],
])('idle threads spin only on cores of their own: %j', ({ allowed, quota }, count) => {
  expect(spinCount({ allowed, quota, usable: 1 })).toBe(count);
});
