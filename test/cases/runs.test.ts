/** Disturbances of a run: another one in its folder, an unwritable log, other options afterwards, an old Node. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stateDictOf } from '../../src/checkpoint/keys';
import { readCheckpoint } from '../../src/checkpoint/read';
import { cli, describeTrained, main, type Outcome, start, succeed } from '../cli/run-cli';
import { metricsOf, TINY, temporaryFolder } from '../cli/tiny';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder.path, ...names);
afterAll(folder.remove);

const search = (save: string, ...more: string[]) => ['search', ...TINY, '--epochs', '4', '--save', save, ...more];
const train = (save: string, ...more: string[]) => ['train', ...TINY, '--no-measure', '--save', save, ...more];
const epochsOf = (save: string) => metricsOf(save).map(({ epoch }) => epoch);

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !condition(); await sleep(20))
    if (Date.now() > end) throw new Error('too long');
}

async function failed(args: string[], status = 1): Promise<Outcome> {
  const outcome = await cli(args).done;
  expect(outcome).toMatchObject({ status, stdout: '' });
  return outcome;
}

describeTrained('two runs in one folder', () => {
  test('the second is refused before it touches anything, with the same recipe, another one, and --force', async () => {
    const save = at('two');
    const first = cli(search(save, '--epochs', '60'));
    await until(() => existsSync(join(save, 'metrics.jsonl')));
    const before = readFileSync(join(save, 'params.json'), 'utf8');
    for (const more of [[], ['--lr', '0.001'], ['--force']]) {
      const { stderr } = await failed(search(save, '--epochs', '60', ...more));
      expect(stderr).toMatch(
        new RegExp(
          `^earlybird: ${save} is in use by process ${first.child.pid} on ${hostname()} since .* UTC; wait for it, or end it. \\[ERR_BUSY\\]\n$`,
        ),
      );
    }
    const { stderr } = await failed([
      'prune',
      '--model',
      join(save, 'init.pth.tar'),
      '--percent',
      '0.3',
      '--save',
      save,
    ]);
    expect(stderr).toContain('is in use by process');
    expect(readFileSync(join(save, 'params.json'), 'utf8')).toBe(before);
    expect(await first.done).toMatchObject({ status: 0 });
    expect(epochsOf(save)).toEqual(Array.from({ length: 60 }, (_, epoch) => epoch));
    expect(readdirSync(save)).not.toContain('.earlybird.lock');
  }, 120_000);

  test('the distances of a run can be computed while it goes on', async () => {
    const save = at('live');
    const run = cli(search(save, '--epochs', '30'));
    await until(() => existsSync(join(save, 'ckpt1.pth.tar')));
    await succeed(['distance', '--save', save, '--percent', '0.3']);
    run.child.kill('SIGINT');
    expect((await run.done).status).toBe(130);
    expect(readdirSync(save).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(existsSync(join(save, 'overlap_0.3.npy'))).toBe(true);
  }, 120_000);

  test('a killed run leaves a lock that the next one takes over', async () => {
    const save = at('killed');
    const run = cli(search(save));
    await until(() => existsSync(join(save, 'metrics.jsonl')));
    run.child.kill('SIGKILL');
    await run.done;
    expect(existsSync(join(save, '.earlybird.lock'))).toBe(true);
    await succeed(search(save));
    expect(epochsOf(save)).toEqual([0, 1, 2, 3]);
    expect(existsSync(join(save, '.earlybird.lock'))).toBe(false);
  }, 120_000);

  test('fetching and comparing are refused too, and make nothing', async () => {
    mkdirSync(at('pack'));
    const owner = {
      pid: 1,
      host: 'elsewhere',
      start: null,
      boot: null,
      namespace: null,
      since: '2026-01-01 00:00:00 UTC',
    };
    writeFileSync(at('pack', '.earlybird.lock'), JSON.stringify(owner));
    for (const args of [
      ['data', 'fetch', 'cifar10', '--dir', at('pack')],
      ['bench', 'energy', '--preset', 'demo', '--save', at('pack')],
    ]) {
      const { stderr } = await failed(args);
      expect(stderr).toContain(`${at('pack')} is in use by process 1 on elsewhere since 2026-01-01 00:00:00 UTC`);
    }
    expect(readdirSync(at('pack'))).toEqual(['.earlybird.lock']);
  }, 60_000);
});

const onLinux = existsSync('/dev/full') ? test : test.skip;

describeTrained('output that cannot be written', () => {
  onLinux(
    'a log on a full disk ends no training',
    async () => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [main, ...search(at('full'))], { stdio: ['ignore', full, full] });
      const status = await new Promise((settle) => child.on('close', settle));
      expect(status).toBe(0);
      expect(epochsOf(at('full'))).toEqual([0, 1, 2, 3]);
    },
    60_000,
  );

  test('a reader that has gone ends no training', async () => {
    const { child, done } = cli(search(at('gone')));
    child.stdout!.destroy();
    child.stderr!.destroy();
    expect((await done).status).toBe(0);
    expect(epochsOf(at('gone'))).toEqual([0, 1, 2, 3]);
  }, 60_000);
});

onLinux('a result that is nowhere but in the output is not lost in silence', async () => {
  const child = start('/bin/sh', ['-c', `"${process.execPath}" "${main}" libtorch where >/dev/full`]);
  expect(await child.done).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('The standard output cannot be written: the disk is full'),
  });
});

test.each([
  ['/proc/x', 'takes no folders'],
  ['/dev/null', 'is a file'],
  ['/dev/null/x', 'a part of its path is not a folder'],
])('--save %s is refused at once, with the reason', async (save, why) => {
  const { stderr } = await failed(['search', ...TINY, '--save', save]);
  expect(stderr).toContain(`${save} cannot be created: `);
  expect(stderr).toContain(why);
});

describe('a Node that is too old', () => {
  const preload = at('old-node.cjs');
  beforeAll(() =>
    writeFileSync(
      preload,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.19.0' } });`,
    ),
  );

  test.each([['search', '--save', 'S'], ['doctor'], ['data', 'verify', 'imagenet'], ['--help'], ['inspect', 'x']])(
    '%s says which is needed before anything is done',
    async (...args) => {
      const { status, stdout, stderr } = await start(process.execPath, ['-r', preload, main, ...args], {
        cwd: folder.path,
      }).done;
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(
        /^earlybird: This is Node 18\.19\.0 \(.*\): install Node 20\.19 or newer\. \[ERR_NODE\]\n$/,
      );
      expect(existsSync(at('S'))).toBe(false);
    },
  );
});

describeTrained('a search without a ticket', () => {
  const strict = ['--detector-window', '3', '--detector-threshold', '0'];
  const save = at('none');

  test('keeps its work: other detector options are read from the stored masks, epochs are added', async () => {
    const { stderr: none } = await failed(train(save, '--epochs', '5', ...strict));
    expect(none).toMatch(
      /No ticket emerged at --percent 0\.3 within 5 epochs \(the smallest mask distance was 0\.\d+, after \d epochs\)/,
    );
    expect(none).toContain(`earlybird prune --model ${save}/search/checkpoint.pth.tar --percent 0.3`);
    const before = readFileSync(join(save, 'search', 'metrics.jsonl'), 'utf8');

    const { stderr: more } = await failed(train(save, '--epochs', '6', ...strict));
    expect(more).toContain('goes on with other options (--epochs: 5 there, 6 now)');
    expect(more).toContain('note: --epochs 6 instead of 5 leaves --schedule 4 as it is');
    expect(readFileSync(join(save, 'search', 'metrics.jsonl'), 'utf8').startsWith(before)).toBe(true);

    const loose = ['--detector-window', '3', '--detector-threshold', '1'];
    const { stderr } = await succeed(train(save, '--epochs', '6', ...loose));
    expect(stderr).not.toMatch(/^search epoch/m);
    expect(stderr).toContain('ticket at p=30% from the stored masks, after ');
  }, 120_000);

  test('the ticket read from stored masks is the one that a search finds at once', async () => {
    const loose = ['--detector-window', '3', '--detector-threshold', '1', '--stop-at-ticket', 'false'];
    await succeed(search(at('strict'), ...strict));
    const { stderr } = await succeed(search(at('strict'), ...loose));
    expect(stderr).toContain('(--detector-threshold: 0 there, 1 now)');
    expect(stderr).not.toMatch(/^search epoch/m);
    await succeed(search(at('loose'), ...loose));
    const result = (name: string) => JSON.parse(readFileSync(at(name, 'result.json'), 'utf8'));
    expect(Object.keys(result('loose').tickets)).not.toEqual([]);
    const completed = (name: string) =>
      Object.entries(result(name).tickets).map(([key, ticket]) => [key, (ticket as { completed: number }).completed]);
    expect(completed('strict')).toEqual(completed('loose'));
    expect(metricsOf(at('strict'))).toEqual(metricsOf(at('loose')));
    const weights = async (name: string) => {
      const [file, ...others] = readdirSync(at(name)).filter((one) => one.startsWith('EB-30-'));
      expect(others).toEqual([]);
      const { value } = await readCheckpoint(at(name, file!));
      return [stateDictOf(value, file!), (value as Map<string, unknown>).get('epoch')];
    };
    expect(await weights('strict')).toEqual(await weights('loose'));
  }, 120_000);

  test('a window that the epochs cannot fill is refused at the start', async () => {
    const { stderr } = await failed(train(at('window'), '--epochs', '3'), 2);
    expect(stderr).toContain('no ticket can emerge within --epochs 3');
    expect(existsSync(at('window'))).toBe(false);
  });

  test('fewer epochs, or an option that decides the weights, is another run', async () => {
    for (const more of [
      ['--epochs', '3'],
      ['--lr', '0.2'],
      ['--ratios', '0.2'],
    ]) {
      const { stderr } = await failed(
        search(at('strict'), '--detector-window', '3', '--detector-threshold', '1', ...more),
        2,
      );
      expect(stderr).toContain('holds a run with another recipe');
    }
  });
});

describeTrained('what is missing or damaged', () => {
  test('a ticket that is not there: those that are, are named', async () => {
    mkdirSync(at('tickets', 'pruned_3015_0.3'), { recursive: true });
    for (const name of ['EB-30-15.pth.tar', 'EB-50-17.pth.tar', 'pruned_3015_0.3/pruned.pth.tar'])
      writeFileSync(at('tickets', name), '');
    const { stderr } = await failed(['prune', '--model', at('tickets', 'EB-30-35.pth.tar'), '--save', at('new')]);
    expect(stderr).toBe(
      `earlybird: --model ${at('tickets', 'EB-30-35.pth.tar')} does not exist; there are ${at('tickets', 'EB-30-15.pth.tar')}, ${at('tickets', 'EB-50-17.pth.tar')}: give one of them. [ERR_FILE]\n`,
    );
    const other = await failed([
      'retrain',
      ...TINY,
      '--scratch',
      at('tickets', 'pruned_1035_0.1', 'pruned.pth.tar'),
      '--save',
      at('new'),
    ]);
    expect(other.stderr).toContain(`there are ${at('tickets', 'pruned_3015_0.3', 'pruned.pth.tar')}: give one of them`);
    expect(existsSync(at('new'))).toBe(false);
  });

  test('a damaged checkpoint of a run says how to go on', async () => {
    const save = at('damaged');
    await succeed(search(save));
    rmSync(join(save, 'result.json'));
    truncateSync(join(save, 'checkpoint.pth.tar'), 3000);
    const { stderr } = await failed(search(save));
    expect(stderr).toMatch(
      /checkpoint\.pth\.tar cannot be read: .*; remove it to start this stage again \[ERR_CHECKPOINT\]\n$/,
    );
    rmSync(join(save, 'checkpoint.pth.tar'));
    await succeed(search(save));
  }, 60_000);

  test.each(['search', 'train'])('a cfg that cannot be built leaves no folder behind %s', async (command) => {
    const args = [command, ...TINY, '--cfg', '8', 'M', '8', '--save', at('bad', 'cfg')];
    expect((await failed(args)).stderr).toContain('[ERR_MODEL]');
    expect(existsSync(at('bad'))).toBe(false);
  });
});
