/** --checkpoint-every: a run that is killed inside an epoch goes on there, and ends as one that was never killed. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fillTree, makeTree } from '../support/image-tree';
import { cli, describeTrained, stopWhen, succeed } from './run-cli';
import { differences, EAGER, metricsOf, outcomeOf, TINY, temporaryFolder } from './tiny';

const INSIDE = 'inside-epoch.pth.tar';
const LOW = ['--wl-weight', '--wl-activate', '--wl-grad', '--wl-error', '--wl-momentum'].flatMap((name) => [name, '8']);
const folder = temporaryFolder();
const tree = makeTree();
afterAll(() => {
  folder.remove();
  tree.remove();
});

/** 24 pictures in batches of 4. */
const STREAM = [
  ...['--dataset', 'imagenet', '--data', tree.at('images'), '--image-size', '32', '--workers', '2'],
  ...['--arch', 'resnet18', '--depth', '18', '--batch-size', '4', '--test-batch-size', '4', '--seed', '3', '-sr'],
  ...['--device', 'cpu', '--threads', '1', '--report', 'false', '--keep-checkpoints', 'none'],
];

/** Each has six steps an epoch. */
const KINDS: Record<string, string[]> = {
  'resident images': [...TINY, ...EAGER, '--epochs', '3'],
  'low precision and weight averaging': [...TINY, ...EAGER, '--epochs', '3', ...LOW, '--swa', '--swa_start', '1'],
  nvfp4: [...TINY, ...EAGER, '--epochs', '3', '--format', 'nvfp4'],
  'a stream of pictures': [...STREAM, ...EAGER, '--epochs', '2'],
};

describeTrained.each(Object.entries(KINDS))('killed inside an epoch: %s', (kind, options) => {
  const at = (name: string) => join(folder.path, `${kind} ${name}`.replaceAll(' ', '-'));
  const search = (save: string, every: string | null = '2') => [
    ...['search', ...options, '--save', save],
    ...(every ? ['--checkpoint-every', every] : []),
  ];
  const whole = at('whole');
  /** Stops a run at the `time`-th file inside an epoch; there are two in an epoch of six steps. */
  const stopAt = async (save: string, time: number, signal: NodeJS.Signals) => {
    let seen = 0;
    return stopWhen(
      search(save),
      save,
      (name) => name === INSIDE && existsSync(join(save, INSIDE)) && ++seen === time,
      signal,
    );
  };

  beforeAll(async () => {
    await fillTree({ ...tree, place: (file, bytes) => tree.place(`images/${file}`, bytes) }, ['n1', 'n2'], 12);
    await succeed(search(whole, null));
  });

  test('writing such checkpoints changes nothing, and leaves no file', async () => {
    const save = at('written');
    await succeed(search(save));
    expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
    expect(existsSync(join(save, INSIDE))).toBe(false);
  });

  test.each([1, 4])('SIGKILL at file number %d', async (time) => {
    const save = at(`killed ${time}`);
    expect((await stopAt(save, time, 'SIGKILL')).signal).toBe('SIGKILL');
    // The run goes on also without the option, which decides only about writing.
    const { stderr } = await succeed(search(save, time === 1 ? null : '2'));
    expect(stderr).toMatch(/resumed from \S*inside-epoch.pth.tar after \d epochs? and \d steps of the next/);
    expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
    expect(readdirSync(save).filter((name) => name === INSIDE || name.startsWith('.'))).toEqual([]);
  });
});

describeTrained('inside an epoch', () => {
  const search = (save: string, ...more: string[]) => [
    ...['search', ...TINY, ...EAGER, '--limit-train', '1280', '--epochs', '2', '--save', save, ...more],
  ];

  test('Ctrl-C writes where it stands, and a rerun ends as a run without it', async () => {
    const [save, whole] = [join(folder.path, 'interrupted'), join(folder.path, 'not-interrupted')];
    const stopped = await stopWhen(search(save, '--checkpoint-every', '15'), save, (name) => name === INSIDE, 'SIGINT');
    expect([stopped.status, stopped.stdout]).toEqual([130, '']);
    const { stdout } = await succeed(['inspect', join(save, INSIDE), '--json']);
    expect(JSON.parse(stdout).epoch).toBe(0);
    const again = await succeed(search(save));
    const steps = Number(/after 0 epochs? and (\d+) steps of the next/.exec(again.stderr)?.[1]);
    expect(steps).toBeGreaterThan(15);
    expect(steps % 15).toBeGreaterThan(0);
    await succeed(search(whole));
    expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
    const [line] = metricsOf(save);
    expect(line).toMatchObject({ epoch: 0, completed: 1 });
  });

  test('its file goes on in its own run only', async () => {
    const save = join(folder.path, 'left');
    await stopWhen(search(save, '--checkpoint-every', '15'), save, (name) => name === INSIDE, 'SIGKILL');
    const { status, stderr } = await cli(search(join(folder.path, 'other'), '--resume', join(save, INSIDE))).done;
    expect(status).toBe(2);
    expect(stderr).toContain('goes on only in its own run');
  });
});
