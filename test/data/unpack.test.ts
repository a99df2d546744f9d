/** Images that are unpacked in groups: how long groups are kept, and the order in which they are packed. */
import { type ImageListing, NOT_PLAIN } from '../../src/data/listing';
import { mixed } from '../../src/data/pack/order';
import { KEPT_BYTES, unpacker } from '../../src/data/shards/unpack';

const groupsOf = (count: number, each: number, bytes: number) =>
  Array.from({ length: count }, (_, group) => ({ start: group * each, bytes }));

test('a group is unpacked once while it is kept, and those that were asked for longest ago go', async () => {
  const unpacked: number[] = [];
  const groups = groupsOf(4, 2, 10);
  const read = unpacker(
    groups,
    async (group) => {
      unpacked.push(group);
      return [Buffer.of(group, 0), Buffer.of(group, 1)];
    },
    20,
  );
  for (const index of [0, 1, 2, 0, 3, 4, 0, 2, 7])
    expect([...(await read(index, index % 2))]).toEqual([index >> 1, index % 2]);
  // Group 0 was asked for before 2 came, so group 1 was dropped.
  expect(unpacked).toEqual([0, 1, 2, 0, 1, 3]);
  expect((await read(7, 2)).length).toBe(0);
});

test('a group that fails is told to everyone who asks, and a larger one than may be kept is read all the same', async () => {
  const read = unpacker(groupsOf(1, 2, 100), async () => Promise.reject(new Error('damaged')), 1);
  await expect(Promise.all([read(0, 0), read(1, 1)])).rejects.toThrow('damaged');
  const large = unpacker(groupsOf(2, 1, 100), async (group) => [Buffer.of(group)], 1);
  expect([...(await large(1, 0)), ...(await large(0, 0))]).toEqual([1, 0]);
});

test('packing takes every image once, and only a lot of groups at a time', () => {
  const [count, each] = [40, 25];
  const groups = groupsOf(count, each, KEPT_BYTES / 16);
  const listing = { count: count * each, lengths: new Float64Array(count * each).fill(NOT_PLAIN), groups };
  const order = mixed(listing as unknown as ImageListing, 0);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count * each }, (_, i) => i));
  expect([...mixed(listing as unknown as ImageListing, 0)]).toEqual([...order]);
  for (let lot = 0; lot < order.length; lot += 8 * each)
    expect(new Set([...order.slice(lot, lot + 8 * each)].map((index) => Math.floor(index / each))).size).toBe(8);
  // Images are mixed within a lot, and the lots among each other.
  const changes = [...order].filter(
    (index, i) => i > 0 && Math.floor(index / each) !== Math.floor(order[i - 1]! / each),
  );
  expect(changes.length).toBeGreaterThan((count * each) / 2);
});
