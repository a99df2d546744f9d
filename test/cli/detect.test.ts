/** `search --detector`, and `detect` on what it has stored: the same code on the same masks. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DetectResult } from '../../src/study/detect/detect';
import { cli, describeTrained, stopWhen, succeed } from './run-cli';
import { differences, metricsOf, outcomeOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Each emerges at some ratio within 9 epochs. */
const DETECTORS: [text: string, flags: string[]][] = [
  ['hamming:window=3:threshold=0.25', ['--detector-window', '3', '--detector-threshold', '0.25']],
  [
    'jaccard:window=2:threshold=0.7',
    ['--detector', 'jaccard', '--detector-window', '2', '--detector-threshold', '0.7'],
  ],
  ['structure:threshold=0.95', ['--detector', 'structure', '--detector-threshold', '0.95']],
  ['trend:window=4:smooth=1', ['--detector', 'trend', '--detector-window', '4', '--detector-smooth', '1']],
  [
    'loss-fifo:window=2:turns=2',
    ['--detector', 'loss-fifo', '--detector-window', '2', '--detector-turns', '2', '--detector-decay', '0.4'],
  ],
];

const search = (save: string, ...more: string[]) => ['search', ...TINY, '--epochs', '9', '--save', save, ...more];
const replayed = async (save: string, ...more: string[]): Promise<DetectResult> =>
  JSON.parse((await succeed(['detect', save, '--json', ...more])).stdout);

/** Completed epochs of the tickets of a search, by ratio. */
function ticketsOf(save: string): Record<string, number> {
  const { emerged } = metricsOf(save).at(-1)!;
  return Object.fromEntries(Object.entries(emerged).map(([key, number]) => [key, number - 1]));
}

async function firesOf(save: string, detector: string): Promise<Record<string, number>> {
  const { rows } = (await replayed(save, '--detectors', detector)).runs[0]!;
  return Object.fromEntries(
    rows.flatMap(({ ratio, firesAfter }) =>
      firesAfter === null ? [] : [[String(Math.round(100 * ratio)), firesAfter]],
    ),
  );
}

describeTrained('detectors of a real search', () => {
  const plain = join(folder.path, 'plain');
  beforeAll(async () => {
    await succeed(search(plain));
  });

  describe.each(DETECTORS)('%s', (text, flags) => {
    const save = join(folder.path, text.replaceAll(/\W/g, '-'));
    beforeAll(async () => {
      await succeed(search(save, ...flags));
    });

    test('it changes no weights, and draws where the replay says', async () => {
      const tickets = ticketsOf(save);
      expect(Object.keys(tickets).length).toBeGreaterThan(0);
      expect(await firesOf(save, text)).toEqual(tickets);
      // The masks of another search are the same.
      expect(await firesOf(plain, text)).toEqual(tickets);
      const files = readdirSync(save).filter((name) => name.startsWith('EB-'));
      expect(files.length).toBe(Object.keys(tickets).length);
      const changed = differences(outcomeOf(save), outcomeOf(plain)).filter((name) => name.endsWith('.bits'));
      expect(changed).toEqual([]);
    });

    test('the search ends the same where it was killed', async () => {
      const again = `${save}-killed`;
      const killed = await stopWhen(
        search(again, ...flags),
        again,
        (name) => name.startsWith('.ckpt3.pth.tar.tmp'),
        'SIGKILL',
      );
      expect(killed.signal).toBe('SIGKILL');
      await succeed(search(again, ...flags));
      expect(differences(outcomeOf(again), outcomeOf(save))).toEqual([]);
    });

    test('a finished search takes it up from its masks and losses, and trains nothing again', async () => {
      const other = `${save}-anew`;
      await succeed(search(other));
      const before = metricsOf(other);
      const { stderr } = await succeed(search(other, ...flags));
      expect(stderr).toContain('goes on with other options');
      expect(ticketsOf(other)).toEqual(ticketsOf(save));
      const signals = (lines: ReturnType<typeof metricsOf>) =>
        lines.map(({ distances, signals, emerged }) => ({ distances, signals, emerged }));
      expect(signals(metricsOf(other))).toEqual(signals(metricsOf(save)));
      expect(metricsOf(other).map(({ train }) => train)).toEqual(before.map(({ train }) => train));
    });
  });

  test('killed inside an epoch, it goes on with the signals of that epoch', async () => {
    const [, flags] = DETECTORS[1]!;
    const save = join(folder.path, 'inside');
    const args = search(save, ...flags, '--checkpoint-every', '2');
    let seen = 0;
    await stopWhen(args, save, (name) => name === 'inside-epoch.pth.tar' && ++seen === 11, 'SIGKILL');
    const { stderr } = await succeed(args);
    expect(stderr).toContain('inside-epoch.pth.tar');
    const whole = join(folder.path, 'jaccard-window-2-threshold-0-7');
    expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
  });

  test('masks inside epochs, also where it was killed: no other weights, and a window that counts steps', async () => {
    const masked = (save: string) => search(save, '--mask-every', '2', '--checkpoint-every', '3');
    const [save, again] = [join(folder.path, 'steps'), join(folder.path, 'steps-killed')];
    await succeed(masked(save));
    const inside = Object.keys(outcomeOf(save)).filter((name) => name.endsWith('.steps.bits'));
    expect(inside.length).toBe(3);
    // Checkpoints name their recipe; metrics and masks tell that the weights are the same.
    const changed = differences(outcomeOf(save), outcomeOf(plain)).filter((name) => !name.endsWith('.pth.tar'));
    expect(changed.sort()).toEqual(inside.sort());
    let seen = 0;
    await stopWhen(masked(again), again, (name) => name === 'inside-epoch.pth.tar' && ++seen === 3, 'SIGKILL');
    await succeed(masked(again));
    expect(differences(outcomeOf(again), outcomeOf(save))).toEqual([]);

    // Six steps an epoch: masks after 0, 1/3, 2/3, 1, ... epochs.
    const { rows } = (await replayed(save, '--steps', '--detectors', 'hamming:threshold=1')).runs[0]!;
    expect(rows.map(({ firesAfter }) => firesAfter)).toEqual([1 + 1 / 3, 1 + 1 / 3, 1 + 1 / 3]);
    expect(rows[0]!.flops).toBeCloseTo(
      (await replayed(save, '--detectors', 'hamming:threshold=1')).runs[0]!.rows[0]!.flops! / 3,
      -2,
    );
    const { status, stderr } = await cli(['detect', plain, '--steps']).done;
    expect([status, stderr]).toEqual([1, expect.stringContaining('leave out --steps, or search with --mask-every')]);
  });

  test('train draws by another detector, and says what was nearest where none fires', async () => {
    const train = (save: string, ...more: string[]) => [
      ...['train', ...TINY, '--epochs', '6', '--percent', '0.5', '--measure', 'false', '--save', save, ...more],
    ];
    const structure = join(folder.path, 'train');
    const { stdout } = await succeed(train(structure, '--detector', 'structure', '--detector-threshold', '0.9'));
    const { rows } = (await replayed(structure, '--detectors', 'structure:threshold=0.9')).runs[0]!;
    expect(stdout).toContain(`ticket p=50% after ${rows[0]!.firesAfter} epochs`);
    const { status, stderr } = await cli(train(join(folder.path, 'none'), '--detector', 'jaccard')).done;
    expect(status).toBe(1);
    expect(stderr).toMatch(/the largest similarity of kept sets was 0\.\d{4}, after \d epochs\)/);
    expect(stderr).toMatch(/smaller --detector-threshold \(now 0.999\)/);
  });

  test('layers are those of a checkpoint where the masks of an earlier version do not tell them', async () => {
    const old = join(folder.path, 'old');
    cpSync(plain, old, { recursive: true });
    const file = join(old, 'masks', 'index.json');
    const { layers, ...index } = JSON.parse(readFileSync(file, 'utf8'));
    expect(layers.length).toBe(8);
    writeFileSync(file, JSON.stringify(index));
    const rowsOf = async (save: string) => (await replayed(save)).runs[0]!.rows.map(({ why, ...row }) => row);
    expect(await rowsOf(old)).toEqual(await rowsOf(plain));
    for (const name of readdirSync(old)) if (name.endsWith('.pth.tar')) rmSync(join(old, name));
    const { rows } = (await replayed(old, '--detectors', 'jaccard:window=1')).runs[0]!;
    expect(rows[0]!.why).toContain('It needs the channels of each layer');
  });

  test('the table for people, and a run without masks', async () => {
    const { stdout } = await succeed(['detect', plain, '--calibrate', '--ratios', '0.5']);
    expect(stdout).toMatch(/^p +detector +fires after +its signal +FLOPs +time/m);
    expect(stdout).toContain('trend: It needs 13 masks');
    expect(stdout).toMatch(/by chance, within layers: +0\.\d{3} \+- 0\.\d{3}/);
    const { status, stderr } = await cli(['detect', folder.path]).done;
    expect([status, stderr]).toEqual([1, expect.stringContaining('holds no masks')]);
  });
});
