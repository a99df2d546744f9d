/** Lines of progress of a plan. */
import type { Part } from '../../src/study/parts';
import { Remaining, workOf } from '../../src/study/remaining';

const part = (name: string, work: number): Part => ({
  key: name,
  name,
  work,
  outcome: async () => null,
  run: async () => {},
});
const searches = [part('a', 20), part('b', 20)];
const tickets = [part('c', 10), part('d', 10)];

test('counts the whole plan, also before it is known exactly', () => {
  const remaining = new Remaining(1);
  remaining.plan(0, workOf(searches), { runs: 5, work: 60 });
  expect(remaining.after(searches[0]!, 'done', 600)).toBe('run 1 of 7: a: done; about 40 min left');
  expect(remaining.after(searches[1]!, 'done', 1200)).toBe('run 2 of 7: b: done; about 30 min left');
  remaining.plan(2, workOf(tickets));
  expect(remaining.after(tickets[0]!, 'failed: why', 1500)).toBe('run 3 of 4: c: failed: why; about 5 min left');
  expect(remaining.after(tickets[1]!, 'done', 1800)).toBe('run 4 of 4: d: done');
});

test('what was finished before says nothing of the speed', () => {
  const remaining = new Remaining(2);
  remaining.plan(8, workOf(tickets), workOf(searches));
  // Two runs are at work at once, so that the first to end says little about the speed.
  expect(remaining.after(tickets[0]!, 'done', 100)).toBe('run 9 of 12: c: done');
  expect(remaining.after(tickets[1]!, 'done', 100)).toBe('run 10 of 12: d: done; about 3 min left');
});
