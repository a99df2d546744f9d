/**
 * Sets the number of compute threads: within the CPU quota unless it is given, and no more than OpenMP really starts.
 */
import { availableCores, type Cores } from '../cores';
import { EarlybirdError } from '../errors';
import type { NativeAddon } from './types/addon';

type Threads = Pick<NativeAddon, 'runtime' | 'setThreads' | 'teamSize'>;

const LIMIT_MS = 10_000;
let settled: { asked: number | undefined; note: string | null } | undefined;

/**
 * Sets the number of threads once for each request, and returns a sentence for the log where the actual number differs.
 * LibTorch's convolutions wait for ever in a team that is smaller than they were told. Throws ERR_LIBTORCH where no
 * team starts.
 */
export function settleThreads(addon: Threads, asked?: number): string | null {
  if (settled && (asked === undefined || asked === settled.asked)) return settled.note;
  if (asked !== undefined) addon.setThreads(asked);
  const note = fitTeam(addon, asked);
  settled = { asked, note };
  return note;
}

/** Does the work of `settleThreads`, without remembering it. */
export function fitTeam(addon: Threads, asked?: number, env: NodeJS.ProcessEnv = process.env): string | null {
  const { threads } = addon.runtime();
  // LibTorch's own default knows the number of cores, but not the CPU quota of a container.
  const given = asked !== undefined || env.OMP_NUM_THREADS !== undefined;
  const wanted = given ? threads : Math.min(threads, availableCores().usable);
  const team = addon.teamSize(wanted, LIMIT_MS);
  if (team === 0) {
    throw new EarlybirdError(
      'ERR_LIBTORCH',
      `OpenMP has not started ${wanted} threads within ${LIMIT_MS / 1000} s (${settings(env)}), or give fewer --threads.`,
    );
  }
  if (team !== threads) addon.setThreads(team);
  return team === wanted
    ? null
    : `compute threads: ${team}, because OpenMP starts no more of ${wanted} here (${settings(env)})`;
}

/**
 * Value of GOMP_SPINCOUNT: how often an idle thread looks for work before it sleeps. By default it does so for
 * milliseconds; where other work shared the cores, 2 of 12 trainings then fell to a fifth of their speed. Threads that
 * slept at once halved it. So they spin for a fraction of a millisecond, but not on one core, where the thread that
 * they wait for needs it, nor within a CPU quota, which spinning uses up.
 */
export const spinCount = ({ allowed, quota }: Cores): string =>
  allowed < 2 || (quota !== null && quota < allowed) ? '0' : '10000';

/** The settings that may be the reason. GOMP_SPINCOUNT does not change a team. */
function settings(env: NodeJS.ProcessEnv): string {
  const set = Object.keys(env).filter((name) => /^(OMP|GOMP|KMP)_/.test(name) && name !== 'GOMP_SPINCOUNT');
  if (set.length === 0) return 'no variable of OpenMP is set: see `ulimit -u`';
  return `${set.map((name) => `${name}=${env[name]}`).join(', ')}: unset ${set.length > 1 ? 'them' : 'it'}`;
}
