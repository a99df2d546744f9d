/**
 * Tells how many cores this process may use, the default for all threads and workers. Threads beyond a CPU quota are
 * stopped together with those that they wait for, so a team larger than the quota is slower than a smaller one.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

export interface Cores {
  /** Cores that affinity and cpuset leave to this process. */
  allowed: number;
  /** The smallest CPU quota of its control groups, in cores; null where there is none. */
  quota: number | null;
  /** Whole cores within both, at least one. */
  usable: number;
}

/** Linux control groups of both versions are read under `root`. */
export function availableCores(root = '/', allowed = affinity(root) ?? availableParallelism()): Cores {
  const quota = cpuQuota(root);
  return { allowed, quota, usable: Math.max(1, Math.min(allowed, Math.floor(quota ?? allowed))) };
}

/** Node's own number is cut to the quota since libuv 1.49, and so does not tell that there is one below the cores. */
const affinity = (root: string) =>
  coresAllowed(linesOf(root, 'proc/self/status').join('\n'), linesOf(root, 'sys/devices/system/cpu/online').join('\n'));

/**
 * Number of cores in the affinity of a process, of those that are on; null where the texts do not tell it.
 *
 * @param status text of /proc/self/status, in which cores may stand that the machine could have
 * @param online list of cores that are on: "0-3,8"
 */
export function coresAllowed(status: string, online: string): number | null {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '';
  const on = new Set(numbersIn(online));
  return numbersIn(allowed).filter((core) => on.has(core)).length || null;
}

/** The numbers in a list such as "0-3,8". */
const numbersIn = (list: string): number[] =>
  list.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined) return [];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });

/** The quota in words: "1.0". */
export const quotaText = (quota: number): string => String(quota < 10 ? quota.toFixed(1) : Math.round(quota));

/** A sentence for the log where more threads are asked for than the quota has cores; null elsewhere. */
export function aboveQuota(flag: string, threads: number | undefined, { quota }: Cores = availableCores()) {
  if (threads === undefined || quota === null || threads <= Math.ceil(quota)) return null;
  return `${flag} ${threads} is above the CPU quota of ${quotaText(quota)} cores: fewer may be faster`;
}

/** The smallest quota, in cores, of all groups from that of the process up to the top, as each may have one. */
function cpuQuota(root: string): number | null {
  const groups = linesOf(root, 'proc/self/cgroup').map((line) => line.split(':'));
  const mounts = linesOf(root, 'proc/self/mountinfo').flatMap(cpuMount);
  const quotas = mounts.flatMap(({ version, top, folder }) => {
    const own = groups.find(([number, controllers]) =>
      version === 2 ? number === '0' : controllers!.split(',').includes('cpu'),
    );
    return own
      ? groupsUpFrom(own.slice(2).join(':'), top).map((name) => quotaOf(root, join(folder, name), version))
      : [];
  });
  const limits = quotas.filter((quota) => quota !== null);
  return limits.length > 0 ? Math.min(...limits) : null;
}

interface CpuMount {
  version: 1 | 2;
  /** Path of the group that is mounted. */
  top: string;
  folder: string;
}

/** Reads one line of mountinfo: "35 30 0:30 TOP FOLDER options - cgroup NAME rw,cpu". */
function cpuMount(line: string): CpuMount[] {
  const [before, after] = line.split(' - ');
  const [, , , top, folder] = before!.split(' ');
  const [kind, , options = ''] = after?.split(' ') ?? [];
  if (!top || !folder) return [];
  if (kind === 'cgroup2') return [{ version: 2, top, folder }];
  return kind === 'cgroup' && options.split(',').includes('cpu') ? [{ version: 1, top, folder }] : [];
}

/** Names below the mounted group, the process's own first. In a container the mounted group may be its own. */
function groupsUpFrom(own: string, top: string): string[] {
  const below = top === '/' || own === top || own.startsWith(`${top}/`) ? own.slice(top === '/' ? 0 : top.length) : '';
  const parts = below.split('/').filter(Boolean);
  return [...parts.map((_, i) => parts.slice(0, parts.length - i).join('/')), ''];
}

/** The quota of one group in cores; null without a limit ("max" or -1). */
function quotaOf(root: string, folder: string, version: 1 | 2): number | null {
  const read = (name: string) => linesOf(root, join(folder, name))[0];
  const [quota, period] =
    version === 2 ? (read('cpu.max')?.split(' ') ?? []) : [read('cpu.cfs_quota_us'), read('cpu.cfs_period_us')];
  const cores = Number(quota) / Number(period);
  return cores > 0 && Number.isFinite(cores) ? cores : null;
}

function linesOf(root: string, name: string): string[] {
  try {
    return readFileSync(join(root, name), 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
