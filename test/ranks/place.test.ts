/** The rank of a process, from the environments that launchers make. */
import { firstHost, placeOf } from '../../src/ranks/place';

const torchrun = {
  ...{ RANK: '3', WORLD_SIZE: '4', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '2', MASTER_ADDR: 'node1', MASTER_PORT: '29400' },
  ...{ TORCHELASTIC_RUN_ID: 'abc', TORCHELASTIC_RESTART_COUNT: '1', TORCHELASTIC_USE_AGENT_STORE: 'True' },
};
const srun = {
  ...{ SLURM_PROCID: '0', SLURM_NTASKS: '6', SLURM_LOCALID: '0', SLURM_NODEID: '0', SLURM_JOB_ID: '4711' },
  ...{ SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '5', SLURM_STEP_NODELIST: 'gpu[07-08,11]' },
  SLURM_STEP_TASKS_PER_NODE: '2(x2),1',
};
const mpirun = {
  ...{ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' },
  ...{ OMPI_COMM_WORLD_LOCAL_RANK: '1', OMPI_COMM_WORLD_LOCAL_SIZE: '2' },
};

test('a process on its own is no rank', () => {
  expect(placeOf({})).toBeNull();
  expect(placeOf({ RANK: '0', WORLD_SIZE: '1' })).toBeNull();
  // The script of sbatch is one process, with these variables of its job.
  expect(placeOf({ SLURM_PROCID: '0', SLURM_NTASKS: '4', SLURM_JOB_ID: '1' })).toBeNull();
});

test('torchrun: its agent serves the store, and a restart has keys of its own', () => {
  expect(placeOf(torchrun)).toEqual({
    ...{ rank: 3, size: 4, localRank: 1, localSize: 2, host: 'node1', port: 29400, serves: false },
    ...{ prefix: 'earlybird/abc/1', by: 'torchrun' },
  });
  expect(placeOf({ ...torchrun, RANK: '0' })).toMatchObject({ serves: false });
  expect(placeOf({ ...torchrun, RANK: '0', TORCHELASTIC_USE_AGENT_STORE: 'False' })).toMatchObject({ serves: true });
});

test('RANK and WORLD_SIZE by hand, with the place to meet', () => {
  const byHand = { RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: '10.0.0.1', MASTER_PORT: '1234' };
  expect(placeOf(byHand)).toMatchObject({
    rank: 0,
    serves: true,
    localRank: 0,
    localSize: 1,
    by: 'RANK and WORLD_SIZE',
  });
});

test('srun: the first node of the step, and a port of the job and its step', () => {
  expect(placeOf(srun)).toMatchObject({
    ...{ rank: 0, size: 5, localRank: 0, localSize: 2, host: 'gpu07', port: 24711, serves: true, by: 'srun' },
    prefix: 'earlybird/slurm/4711/0/0',
  });
  expect(placeOf({ ...srun, SLURM_STEP_ID: '1' })).toMatchObject({ port: 25720, prefix: 'earlybird/slurm/4711/1/0' });
  expect(placeOf({ ...srun, SLURM_PROCID: '4', SLURM_NODEID: '2' })).toMatchObject({ localSize: 1, serves: false });
  expect(placeOf({ ...srun, MASTER_ADDR: 'a', MASTER_PORT: '5' })).toMatchObject({ host: 'a', port: 5 });
});

test.each([
  ['node3', 'node3'],
  ['node[3-5,8],x', 'node3'],
  ['node[08,11]', 'node08'],
  ['rack1-n[1-4]-ib,other', 'rack1-n1-ib'],
  ['a,b', 'a'],
])('the first host of %s', (list, host) => expect(firstHost(list)).toBe(host));

test('mpirun: one host needs no address, several do', () => {
  expect(placeOf(mpirun)).toMatchObject({ rank: 1, size: 2, host: '127.0.0.1', port: 29500, by: 'mpirun' });
  const two = { ...mpirun, OMPI_COMM_WORLD_LOCAL_SIZE: '1', OMPI_COMM_WORLD_LOCAL_RANK: '0' };
  expect(() => placeOf(two)).toThrow(/MASTER_ADDR and MASTER_PORT do not say where they meet/);
  expect(placeOf({ ...two, MASTER_ADDR: 'n1', MASTER_PORT: '77' })).toMatchObject({ host: 'n1', port: 77 });
});

test.each([
  [{ RANK: '0' }, /WORLD_SIZE is not set/],
  [{ RANK: 'x', WORLD_SIZE: '2' }, /RANK is "x"/],
  [{ RANK: '2', WORLD_SIZE: '2', MASTER_ADDR: 'a', MASTER_PORT: '1' }, /rank 2 of 2/],
  [{ RANK: '0', WORLD_SIZE: '2', MASTER_ADDR: 'a' }, /MASTER_ADDR and MASTER_PORT/],
])('what cannot be is refused: %j', (env, message) => {
  expect(() => placeOf(env)).toThrow(message);
  expect(() => placeOf(env)).toThrow(expect.objectContaining({ code: 'ERR_RANKS' }));
});
