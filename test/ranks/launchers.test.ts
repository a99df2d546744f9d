/** Launchers and networks of the field: torchrun, mpirun, Slurm on one node, two hosts. Skips missing programs. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/ranks/launch';
import { main, type Outcome, start, succeed, trained, until } from '../cli/run-cli';
import { EAGER, metricsOf, TINY, temporaryFolder } from '../cli/tiny';
import { torchProgram } from '../support/peers';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (name: string) => join(folder.path, name);
const search = (save: string, epochs = 2, images = 192) => [
  ...[main, 'search', ...TINY.map((word) => (word === '192' ? String(images) : word)), ...EAGER],
  ...['--epochs', String(epochs), '--sync-bn', '--rank-timeout', '10'],
  ...['--checkpoint-every', '2', '--save', save],
];
const train = (save: string, epochs: number) => [
  ...[...TINY, ...EAGER, '--percent', '0.3', '--epochs', String(epochs), '--sync-bn', '--checkpoint-every', '2'],
  ...['--save', save],
];
const has = (...programs: string[]) => programs.every((program) => spawnSync('which', [program]).status === 0);
const root = userInfo().uid === 0;

/** `test`, or skipped with the reason. */
function where(condition: boolean, reason: string): jest.It {
  if (condition) return trained;
  console.warn(`skipped: ${reason}`);
  return test.skip;
}

let one: number[];
const losses = (save: string) => metricsOf(save).map(({ train }) => train.loss);
function expectTrained({ status, stderr }: Outcome, save: string, by: string): void {
  if (status !== 0) throw new Error(stderr);
  expect(stderr).toContain(`rank 0 of 2 (${by})`);
  for (const [i, loss] of one.entries()) expect(losses(save)[i]).toBeCloseTo(loss, 4);
}
beforeAll(async () => {
  const save = at('one');
  await succeed(search(save).slice(1));
  one = losses(save);
});

const torch = torchProgram();
const torchrun = (options: string[], words: string[], env: NodeJS.ProcessEnv = {}) =>
  start(
    torch!.python,
    ['-m', 'torch.distributed.run', ...options, '--nproc-per-node', '2', '--no-python', process.execPath, ...words],
    { env: { ...torch!.env, ...env } },
  );

where(torch !== null, 'no Python has PyTorch: torchrun')('torchrun, whose agent serves the store', async () => {
  const save = at('torchrun');
  expectTrained(await torchrun(['--standalone'], search(save)).done, save, 'torchrun');
});

where(torch !== null, 'no Python has PyTorch: torchrun')(
  'torchrun --max-restarts goes on after a killed rank',
  async () => {
    const save = at('restarts');
    const { done } = torchrun(['--standalone', '--max-restarts', '2', '--monitor-interval', '0.2'], search(save, 12));
    await until(() => existsSync(join(save, 'checkpoint.pth.tar')));
    // The pattern must not match torchrun itself, whose command line holds that of its ranks.
    spawnSync('pkill', ['-KILL', '-o', '-f', `^${process.execPath} ${main} search .*${save}`]);
    const { status, stderr } = await done;
    if (status !== 0) throw new Error(stderr);
    expect(metricsOf(save)).toHaveLength(12);
    expect(stderr).toMatch(/resumed from/);
  },
);

where(has('mpirun'), 'openmpi-bin is not installed: mpirun')('mpirun', async () => {
  const save = at('mpirun');
  const words = ['--allow-run-as-root', '--oversubscribe', '-n', '2', process.execPath, ...search(save)];
  const port = String(await freePort());
  expectTrained(
    await start('mpirun', words, { env: { MASTER_ADDR: '127.0.0.1', MASTER_PORT: port } }).done,
    save,
    'mpirun',
  );
});

// --- Slurm on one node, as root ---

const slurm = has('slurmctld', 'slurmd', 'srun', 'sbatch', 'munged');
const onSlurm = where(root && slurm, `${slurm ? 'not root' : 'slurm-wlm is not installed'}: srun, sbatch`);

describe('Slurm', () => {
  const conf = at('slurm.conf');
  const env = { SLURM_CONF: conf };
  const daemons: ReturnType<typeof start>[] = [];

  beforeAll(async () => {
    if (!root || !slurm) return;
    const cores = spawnSync('nproc', { encoding: 'utf8' }).stdout.trim();
    mkdirSync(at('slurm-state'), { recursive: true });
    writeFileSync(
      conf,
      `${[
        'ClusterName=test',
        `SlurmctldHost=${hostname()}(127.0.0.1)`,
        ...['SlurmUser=root', 'SlurmdUser=root', 'AuthType=auth/munge'],
        ...['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none', 'JobAcctGatherType=jobacct_gather/none'],
        ...[
          'SelectType=select/cons_tres',
          'SelectTypeParameters=CR_Core',
          'ReturnToService=2',
          'MpiDefault=none',
          'SchedulerParameters=sched_interval=2',
        ],
        ...[`StateSaveLocation=${at('slurm-state')}`, `SlurmdSpoolDir=${at('slurm-state')}`],
        ...[`SlurmctldPidFile=${at('slurmctld.pid')}`, `SlurmdPidFile=${at('slurmd.pid')}`],
        `NodeName=${hostname()} NodeAddr=127.0.0.1 CPUs=${cores} State=UNKNOWN`,
        `PartitionName=all Nodes=${hostname()} Default=YES MaxTime=INFINITE State=UP`,
      ].join('\n')}\n`,
    );
    spawnSync('sh', [
      '-c',
      'mkdir -p /run/munge && chown munge: /run/munge && pgrep munged || su -s /bin/sh munge -c munged',
    ]);
    daemons.push(start('slurmctld', ['-D'], { env }), start('slurmd', ['-D'], { env }));
    for (let i = 0; i < 60; i++) {
      if (
        /idle/.test(
          spawnSync('sinfo', ['-h', '-o', '%T'], { env: { ...process.env, ...env }, encoding: 'utf8' }).stdout,
        )
      )
        return;
      await sleep(500);
    }
    throw new Error('Slurm did not start');
  }, 60_000);
  afterAll(() => {
    if (daemons.length > 0) spawnSync('scancel', ['--user=root'], { env: { ...process.env, ...env } });
    for (const { child } of daemons) child.kill('SIGKILL');
  });

  onSlurm('srun', async () => {
    const save = at('srun');
    const words = ['--overcommit', '-n', '2', process.execPath, ...search(save)];
    expectTrained(await start('srun', words, { env }).done, save, 'srun');
  });

  onSlurm(
    'a batch job that is asked to stop queues itself again and goes on',
    async () => {
      const save = at('sbatch');
      const script = join(__dirname, '..', '..', 'scripts', 'slurm', 'one-node.sbatch');
      const log = at('sbatch.log');
      const earlybird = at('earlybird');
      writeFileSync(earlybird, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
      const words = ['--parsable', '--overcommit', '-o', log, script, ...train(save, 12)];
      const job = (await start('sbatch', words, { env: { ...env, EARLYBIRD: earlybird } }).done).stdout.trim();
      const ask = (program: string, ...more: string[]) =>
        spawnSync(program, more, { env: { ...process.env, ...env }, encoding: 'utf8' }).stdout;
      const state = () => ask('squeue', '-h', '-j', job, '-o', '%T %r');
      const reached = async (what: string, holds: () => boolean) => {
        await until(holds).catch(() => {
          const said = existsSync(log) ? readFileSync(log, 'utf8') : 'no output';
          throw new Error(
            `${what} not within a minute; Slurm says: ${state()}\n${said}\n${ask('scontrol', 'show', 'job', job)}`,
          );
        });
      };
      await reached('a checkpoint', () => existsSync(join(save, 'retrain_3002_0.3', 'checkpoint.pth.tar')));
      await start('scancel', ['--signal=TERM', job], { env }).done;
      await reached('the requeue', () => /PENDING BeginTime/.test(state()));
      // Slurm holds a requeued job back for two minutes unless it is told otherwise. Its controller may learn a moment
      // later that the first start has ended, and takes that for the end of a second start that is already there.
      await sleep(5000);
      ask('scontrol', 'update', `JobId=${job}`, 'StartTime=now');
      await reached('the result', () => existsSync(join(save, 'result.json')));
      expect(readFileSync(log, 'utf8')).toMatch(/resumed from/);
      await reached('the end', () => !/RUNNING|COMPLETING/.test(state()));
    },
    300_000,
  );
});

// --- Two hosts: network namespaces with a cable between them ---

const hosts = root && has('ip') && spawnSync('ip', ['netns', 'add', 'eb-probe']).status === 0;
if (hosts) spawnSync('ip', ['netns', 'del', 'eb-probe']);
const onHosts = where(hosts, 'no network namespaces (root and iproute2): two hosts');

describe('two hosts', () => {
  const names = ['eb-a', 'eb-b'] as const;
  const ip = (...words: string[]) => {
    const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr}`);
  };
  beforeAll(() => {
    if (!hosts) return;
    for (const name of names) spawnSync('ip', ['netns', 'del', name]);
    for (const name of names) ip('netns', 'add', name);
    ip('link', 'add', 'eb-va', 'netns', 'eb-a', 'type', 'veth', 'peer', 'name', 'eb-vb', 'netns', 'eb-b');
    for (const [i, name] of names.entries()) {
      const card = `eb-v${name.at(-1)}`;
      ip('-n', name, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', card);
      ip('-n', name, 'link', 'set', card, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
  });
  afterAll(() => {
    if (hosts) for (const name of names) spawnSync('ip', ['netns', 'del', name]);
  });
  const startBoth = async (words: string[], leader = '10.77.0.1') => {
    const port = String(await freePort());
    return names.map((name, rank) =>
      start('ip', ['netns', 'exec', name, process.execPath, ...words], {
        env: { RANK: String(rank), WORLD_SIZE: '2', MASTER_ADDR: leader, MASTER_PORT: port },
      }),
    );
  };

  onHosts('train together over the address that leads to rank 0', async () => {
    const save = at('hosts');
    const [first, second] = await Promise.all((await startBoth(search(save))).map(({ done }) => done));
    expectTrained(first!, save, 'RANK and WORLD_SIZE');
    expect(second!.status).toBe(0);
  });

  onHosts('a cable that is pulled ends both within the timeout, and the run goes on', async () => {
    const save = at('cable');
    const both = await startBoth(search(save, 20));
    await until(() => existsSync(join(save, 'checkpoint.pth.tar')));
    ip('-n', 'eb-b', 'link', 'set', 'eb-vb', 'down');
    const outcomes = await Promise.all(both.map(({ done }) => done));
    ip('-n', 'eb-b', 'link', 'set', 'eb-vb', 'up');
    for (const { status, stderr } of outcomes) {
      expect(status).toBe(1);
      expect(stderr).toMatch(/rank [01] on \S+ .*\[ERR_RANKS\]/);
    }
    const { stderr } = await succeed(search(save, 20).slice(1));
    expect(stderr).toMatch(/resumed from/);
  });

  const tunnels = hosts && existsSync('/dev/net/tun') && has('python3');
  const onSlowLink = where(tunnels, 'no TUN devices (/dev/net/tun, python3): a slow link');
  onSlowLink('50 ms from host to host are slow, and right', async () => {
    const save = at('slow');
    const words = [join(__dirname, 'slow-link.py'), ...names, '50'];
    const link = start('ip', ['netns', 'exec', names[0], 'python3', ...words]);
    await new Promise((resolve) => link.child.stdout!.once('data', resolve));
    const alone = at('slow-one');
    await succeed(search(alone, 1, 64).slice(1));
    const begun = Date.now();
    const both = await startBoth(search(save, 1, 64), '10.78.0.1');
    const outcomes = await Promise.all(both.map(({ done }) => done));
    link.child.kill();
    expect(outcomes.map(({ status, stderr }) => (status === 0 ? '' : stderr))).toEqual(['', '']);
    expect(losses(save)).toHaveLength(1);
    expect(losses(save)[0]).toBeCloseTo(losses(alone)[0]!, 4);
    // Eight layers wait in each pass of two steps for the statistics of the other host.
    expect(Date.now() - begun).toBeGreaterThan(1600);
  });
});
