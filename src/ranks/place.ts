/**
 * Tells which rank of how many this process is, from the environment that its launcher made: torchrun (and `earlybird
 * launch`), srun, mpirun.
 */
import { EarlybirdError } from '../errors';

/** A process among those that train together. */
export interface Place {
  rank: number;
  size: number;
  /** Rank among those of its host. */
  localRank: number;
  localSize: number;
  /** Host and port at which the ranks meet. */
  host: string;
  port: number;
  /** True where this process opens the store at that place, rather than being a client of it. */
  serves: boolean;
  /** Prefix of the keys in the store, which successive jobs may share. */
  prefix: string;
  /** Name of the launcher that set the place, in words. */
  by: string;
}

type Env = Record<string, string | undefined>;

/** Place of this process; null where it runs on its own. Throws ERR_RANKS where the environment is incomplete. */
export function placeOf(env: Env): Place | null {
  const place = byTorchrun(env) ?? bySlurm(env) ?? byMpi(env);
  return place && place.size > 1 ? place : null;
}

/**
 * Reads RANK and WORLD_SIZE as torchrun sets them; set by hand, they need only MASTER_ADDR and MASTER_PORT beside them.
 */
function byTorchrun(env: Env): Place | null {
  if (env.RANK === undefined && env.WORLD_SIZE === undefined) return null;
  const [rank, size] = [numberOf(env, 'RANK'), numberOf(env, 'WORLD_SIZE')];
  const agent = env.TORCHELASTIC_USE_AGENT_STORE === 'True';
  return checked({
    ...{ rank, size },
    localRank: env.LOCAL_RANK === undefined ? 0 : numberOf(env, 'LOCAL_RANK'),
    localSize: env.LOCAL_WORLD_SIZE === undefined ? 1 : numberOf(env, 'LOCAL_WORLD_SIZE'),
    ...meeting(env, size > 1),
    // The agent of torchrun serves the store already.
    serves: rank === 0 && !agent,
    // After a restart the store still holds the words of the previous start.
    prefix: `earlybird/${env.TORCHELASTIC_RUN_ID ?? ''}/${env.TORCHELASTIC_RESTART_COUNT ?? ''}`,
    by: env.EARLYBIRD_LAUNCH ? 'earlybird launch' : env.TORCHELASTIC_RUN_ID ? 'torchrun' : 'RANK and WORLD_SIZE',
  });
}

/** Reads a step of srun. The script of sbatch itself is one process, and no step. */
function bySlurm(env: Env): Place | null {
  if (env.SLURM_PROCID === undefined || env.SLURM_STEP_ID === undefined) return null;
  const [rank, size] = [numberOf(env, 'SLURM_PROCID'), numberOf(env, 'SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS')];
  const nodes = env.SLURM_STEP_NODELIST ?? env.SLURM_JOB_NODELIST ?? '';
  const [job, step] = [Number(env.SLURM_JOB_ID ?? 0), numberOf(env, 'SLURM_STEP_ID')];
  return checked({
    ...{ rank, size },
    localRank: numberOf(env, 'SLURM_LOCALID'),
    localSize: tasksOf(env.SLURM_STEP_TASKS_PER_NODE ?? '', Number(env.SLURM_NODEID ?? 0)) ?? 1,
    host: env.MASTER_ADDR ?? firstHost(nodes),
    // Jobs and steps of one node meet at ports of their own, below those that Linux gives to connections (32768).
    port: env.MASTER_PORT === undefined ? 20000 + ((job + 1009 * step) % 12000) : numberOf(env, 'MASTER_PORT'),
    serves: rank === 0,
    prefix: `earlybird/slurm/${job}/${step}/${env.SLURM_RESTART_COUNT ?? 0}`,
    by: 'srun',
  });
}

function byMpi(env: Env): Place | null {
  if (env.OMPI_COMM_WORLD_RANK === undefined) return null;
  const [rank, size] = [numberOf(env, 'OMPI_COMM_WORLD_RANK'), numberOf(env, 'OMPI_COMM_WORLD_SIZE')];
  const localSize = numberOf(env, 'OMPI_COMM_WORLD_LOCAL_SIZE');
  const onOneHost = localSize === size;
  return checked({
    ...{ rank, size },
    localRank: numberOf(env, 'OMPI_COMM_WORLD_LOCAL_RANK'),
    localSize,
    ...meeting(onOneHost ? { MASTER_ADDR: '127.0.0.1', MASTER_PORT: '29500', ...env } : env, size > 1),
    serves: rank === 0,
    prefix: `earlybird/mpi/${env.PMIX_NAMESPACE ?? ''}`,
    by: 'mpirun',
  });
}

function meeting(env: Env, needed: boolean): Pick<Place, 'host' | 'port'> {
  if (!needed) return { host: '', port: 0 };
  if (env.MASTER_ADDR === undefined || env.MASTER_PORT === undefined) {
    throw new EarlybirdError(
      'ERR_RANKS',
      'This is one of several ranks, but MASTER_ADDR and MASTER_PORT do not say where they meet: set both to the host of rank 0 and a free port of it (mpirun: -x MASTER_ADDR -x MASTER_PORT).',
    );
  }
  return { host: env.MASTER_ADDR, port: numberOf(env, 'MASTER_PORT') };
}

function numberOf(env: Env, ...names: string[]): number {
  const name = names.find((one) => env[one] !== undefined) ?? names[0]!;
  const value = env[name];
  if (value !== undefined && /^\d+$/.test(value)) return Number(value);
  throw new EarlybirdError(
    'ERR_RANKS',
    `${name} ${value === undefined ? 'is not set' : `is "${value}"`}: a launcher of ranks sets it to a whole number.`,
  );
}

function checked(place: Place): Place {
  const { rank, size, port, by } = place;
  if (rank < size && port < 65536) return place;
  throw new EarlybirdError('ERR_RANKS', `${by} says rank ${rank} of ${size} at port ${port}, which cannot be.`);
}

/** The first host of a list: "node[3-5,8],x" begins with node3. */
export function firstHost(list: string): string {
  const [, stem = '', range, rest = ''] = list.match(/^([^[,]*)(?:\[([^\]]*)\])?([^,]*)/) ?? [];
  return `${stem}${range?.split(/[-,]/)[0] ?? ''}${rest}`;
}

/** Number of tasks of a node in Slurm's list, such as "2(x3),1", which has them in order of the nodes. */
function tasksOf(list: string, node: number): number | undefined {
  const each = list.split(',').flatMap((part) => {
    const [, tasks, times = '1'] = part.match(/^(\d+)(?:\(x(\d+)\))?$/) ?? [];
    return tasks === undefined ? [] : Array<number>(Number(times)).fill(Number(tasks));
  });
  return each[node];
}
