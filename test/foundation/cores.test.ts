import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { aboveQuota, availableCores, coresAllowed } from '../../src/cores';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A root folder with these files. */
function machine(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'eb-cores-'));
  folders.push(root);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
}

const V2 = { 'proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate' };
const V1 = {
  'proc/self/mountinfo': [
    '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset',
  ].join('\n'),
};
const v1 = (quota: string, group = '') => ({
  [`sys/fs/cgroup/cpu,cpuacct${group}/cpu.cfs_quota_us`]: quota,
  [`sys/fs/cgroup/cpu,cpuacct${group}/cpu.cfs_period_us`]: '100000',
});
const v2 = (quota: string, group: string) => ({ [`sys/fs/cgroup${group}/cpu.max`]: quota });
const own = (group: string) => ({ 'proc/self/cgroup': `0::${group}` });

const CASES: Record<string, [Record<string, string>, number | null, number]> = {
  'no control groups': [{}, null, 8],
  'version 2, max': [{ ...V2, ...own('/a'), ...v2('max 100000', '/a') }, null, 8],
  'version 2, the top group, which has no file': [{ ...V2, ...own('/') }, null, 8],
  'version 2, one core': [{ ...V2, ...own('/a'), ...v2('100000 100000', '/a') }, 1, 1],
  'version 2, another period': [{ ...V2, ...own('/a'), ...v2('100000 50000', '/a') }, 2, 2],
  'version 2, part of a core': [{ ...V2, ...own('/a'), ...v2('50000 100000', '/a') }, 0.5, 1],
  'version 2, two cores and a half': [{ ...V2, ...own('/a'), ...v2('250000 100000', '/a') }, 2.5, 2],
  'version 2, more than there are': [{ ...V2, ...own('/a'), ...v2('6400000 100000', '/a') }, 64, 8],
  'version 2, the group above has less': [
    {
      ...V2,
      ...own('/a/b/c'),
      ...v2('300000 100000', '/a'),
      ...v2('400000 100000', '/a/b'),
      ...v2('max 100000', '/a/b/c'),
    },
    3,
    3,
  ],
  'version 2, the own group has less': [
    { ...V2, ...own('/a/b'), ...v2('300000 100000', '/a'), ...v2('200000 100000', '/a/b') },
    2,
    2,
  ],
  'version 2, a container whose own group is mounted': [
    {
      'proc/self/mountinfo': '30 23 0:26 /docker/1a /sys/fs/cgroup ro - cgroup2 cgroup rw',
      ...own('/docker/1a/inner'),
      ...v2('300000 100000', ''),
      ...v2('max 100000', '/inner'),
    },
    3,
    3,
  ],
  'version 2, a name space of its own': [{ ...V2, ...own('/'), ...v2('200000 100000', '') }, 2, 2],
  'version 1, -1': [{ ...V1, 'proc/self/cgroup': '3:cpuset:/\n1:cpu,cpuacct:/a', ...v1('-1', '/a') }, null, 8],
  'version 1, nested': [
    { ...V1, 'proc/self/cgroup': '3:cpuset:/\n1:cpu,cpuacct:/a/b\n0::/', ...v1('400000', '/a'), ...v1('-1', '/a/b') },
    4,
    4,
  ],
  'version 1, a container whose own group is mounted': [
    {
      'proc/self/mountinfo': '32 31 0:29 /docker/1a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct',
      'proc/self/cgroup': '1:cpu,cpuacct:/docker/1a',
      ...v1('150000'),
    },
    1.5,
    1,
  ],
  'version 1, a container that sees the name of a group outside': [
    { ...V1, 'proc/self/cgroup': '1:cpu,cpuacct:/elsewhere', ...v1('200000') },
    2,
    2,
  ],
  'both versions, the quota in the first': [
    {
      'proc/self/mountinfo': `${V1['proc/self/mountinfo']}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`,
      'proc/self/cgroup': '1:cpu,cpuacct:/a\n0::/',
      ...v1('100000', '/a'),
    },
    1,
    1,
  ],
  'a group with a colon in its name': [{ ...V2, ...own('/a:b'), ...v2('100000 100000', '/a:b') }, 1, 1],
  'a file of nonsense': [{ ...V2, ...own('/a'), ...v2('lots', '/a') }, null, 8],
};

test.each(Object.entries(CASES))('%s', (_name, [files, quota, usable]) => {
  expect(availableCores(machine(files), 8)).toEqual({ allowed: 8, quota, usable });
});

test('this machine', () => {
  const { allowed, usable } = availableCores();
  // Within a quota, newer versions of Node count fewer.
  expect(allowed).toBeGreaterThanOrEqual(availableParallelism());
  expect(usable).toBeGreaterThanOrEqual(1);
  expect(usable).toBeLessThanOrEqual(allowed);
});

const status = (list: string) => `Cpus_allowed:\tff\nCpus_allowed_list:\t${list}\nMems_allowed_list:\t0`;

test.each([
  ['all', status('0-7'), '0-7', 8],
  ['some', status('0-1,4,6-7'), '0-7', 5],
  ['one', status('3'), '0-7', 1],
  ['more than there are, as on a virtual machine', status('0-127'), '0-7', 8],
  ['some that are off', status('0-3'), '0-1,3', 3],
  ['a system that does not tell', 'Name:\tnode', '0-7', null],
  ['a system that does not tell which are on', status('0-7'), '', null],
])('cores allowed: %s', (_name, text, online, count) => expect(coresAllowed(text, online)).toBe(count));

test('cores allowed are more than a quota leaves, whatever Node counts', () => {
  const files = { ...V2, ...own('/a'), ...v2('200000 100000', '/a') };
  const root = machine({ ...files, 'proc/self/status': status('0-63'), 'sys/devices/system/cpu/online': '0-63' });
  expect(availableCores(root)).toEqual({ allowed: 64, quota: 2, usable: 2 });
});

test('threads above the quota are said, those within are not', () => {
  const cores = { allowed: 8, quota: 1.5, usable: 1 };
  expect(aboveQuota('--threads', 3, cores)).toBe(
    '--threads 3 is above the CPU quota of 1.5 cores: fewer may be faster',
  );
  expect(aboveQuota('--threads', 2, cores)).toBeNull();
  expect(aboveQuota('--threads', undefined, cores)).toBeNull();
  expect(aboveQuota('--threads', 64, { ...cores, quota: null })).toBeNull();
});
