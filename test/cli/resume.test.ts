import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, describeTrained, stopWhen, succeed } from './run-cli';
import { differences, EAGER, metricsOf, outcomeOf, TINY, temporaryFolder } from './tiny';

const search = (save: string, ...more: string[]) => [
  'search',
  ...TINY,
  ...EAGER,
  '--epochs',
  '6',
  '--save',
  save,
  ...more,
];

const folder = temporaryFolder();
const whole = join(folder.path, 'whole');

const lines = (save: string) =>
  existsSync(join(save, 'metrics.jsonl'))
    ? readFileSync(join(save, 'metrics.jsonl'), 'utf8').split('\n').length - 1
    : 0;

const LOW = ['--wl-weight', '--wl-activate', '--wl-grad', '--wl-error', '--wl-momentum'].flatMap((name) => [name, '8']);

describeTrained('resuming', () => {
  beforeAll(async () => {
    await succeed(search(whole));
  });
  afterAll(() => folder.remove());

  describe('SIGKILL, then the same command again', () => {
    const moments: [string, (save: string) => (name: string) => boolean][] = [
      ['before training', () => (name) => name.includes('init.pth.tar')],
      ['while the first checkpoint is written', () => (name) => name.startsWith('.ckpt0.pth.tar.tmp')],
      ['while the third checkpoint is written', () => (name) => name.startsWith('.ckpt2.pth.tar.tmp')],
      ['when the third checkpoint has its first name', () => (name) => name === 'ckpt2.pth.tar'],
      [
        'when the third checkpoint gets its last name',
        (save) => (name) => name.includes('checkpoint.pth.tar') && lines(save) >= 3,
      ],
      ['while a ticket is written', () => (name) => name.startsWith('.EB-')],
      ['when a ticket has been written', () => (name) => name.startsWith('EB-')],
      ['when a metrics line has been written', (save) => (name) => name === 'metrics.jsonl' && lines(save) >= 4],
      ['when all is trained and the result is due', () => (name) => name.startsWith('.result.json')],
    ];

    test.each(moments)('%s', async (name, moment) => {
      const save = join(folder.path, name.replaceAll(' ', '-'));
      const killed = await stopWhen(search(save), save, moment(save), 'SIGKILL');
      expect(killed.signal).toBe('SIGKILL');
      await succeed(search(save));
      expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
      expect(readdirSync(save).filter((file) => file.startsWith('.'))).toEqual([]);
    });

    test('killed again and again', async () => {
      const save = join(folder.path, 'often');
      for (let epoch = 1; epoch <= 5; epoch += 2) {
        await stopWhen(search(save), save, (name) => name === 'metrics.jsonl' && lines(save) >= epoch, 'SIGKILL');
      }
      await succeed(search(save));
      expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
    });
  });

  describe.each([
    ['in low precision', LOW],
    ['in full precision', []],
  ])('weight averaging %s, killed and gone on with', (precision, options) => {
    const args = (save: string) => search(save, ...options, '--swa', '--swa_start', '2');
    const once = join(folder.path, precision.replaceAll(' ', '-'));
    beforeAll(async () => {
      await succeed(args(once));
    });

    const moments: [string, (save: string) => (name: string) => boolean][] = [
      ['while the first average is written', () => (name) => name.startsWith('.swa.pth.tar')],
      ['between the second average and its checkpoint', () => (name) => name.startsWith('.ckpt3.pth.tar.tmp')],
      ['in the epoch after', (save) => (name) => name.includes('checkpoint.pth.tar') && lines(save) >= 4],
    ];
    test.each(moments)('%s', async (name, moment) => {
      const save = join(folder.path, `${precision} ${name}`.replaceAll(' ', '-'));
      expect((await stopWhen(args(save), save, moment(save), 'SIGKILL')).signal).toBe('SIGKILL');
      await succeed(args(save));
      expect(metricsOf(save).map(({ swa }) => swa?.n)).toEqual([undefined, undefined, 1, 2, 3, 4]);
      expect(differences(outcomeOf(save), outcomeOf(once))).toEqual([]);
    });
  });

  test('Ctrl-C ends with 130 after a whole checkpoint, and the same command goes on', async () => {
    const save = join(folder.path, 'interrupted');
    const stopped = await stopWhen(
      search(save),
      save,
      (name) => name === 'metrics.jsonl' && lines(save) === 2,
      'SIGINT',
    );
    expect(stopped.status).toBe(130);
    expect(stopped.stderr).toContain('[ERR_ABORTED]');
    expect(stopped.stdout).toBe('');
    const { stdout } = await succeed(['inspect', join(save, 'checkpoint.pth.tar'), '--json']);
    expect(JSON.parse(stdout).epoch).toBe(lines(save));
    await succeed(search(save));
    expect(differences(outcomeOf(save), outcomeOf(whole))).toEqual([]);
  });

  test('a finished run is not run again unless forced', async () => {
    const before = readFileSync(join(whole, 'params.json'), 'utf8');
    const again = await succeed(search(whole, '--json'));
    expect(again.stderr).toContain('finished');
    expect(JSON.parse(again.stdout).completed).toBe(6);
    expect(readFileSync(join(whole, 'params.json'), 'utf8')).toBe(before);

    const forced = join(folder.path, 'forced');
    await succeed(search(forced, '--epochs', '1'));
    await succeed(search(forced, '--force'));
    expect(differences(outcomeOf(forced), outcomeOf(whole))).toEqual([]);
  });

  test('another recipe in the same folder is refused', async () => {
    const { status, stderr } = await cli(search(whole, '--lr', '0.01')).done;
    expect(status).toBe(2);
    expect(stderr).toContain('lr: 0.05 there, 0.01 now');
  });

  test('--resume FILE goes on from that file, in a new folder too', async () => {
    const save = join(folder.path, 'from-file');
    await succeed(search(save, '--resume', join(whole, 'ckpt2.pth.tar')));
    expect(metricsOf(save)).toEqual(metricsOf(whole).slice(3));
    expect(readFileSync(join(save, 'ckpt5.pth.tar')).equals(readFileSync(join(whole, 'ckpt5.pth.tar')))).toBe(true);
  });

  test('--resume FILE in a new folder that keeps no checkpoints', async () => {
    const save = join(folder.path, 'from-file-none');
    await succeed(search(save, '--resume', join(whole, 'ckpt2.pth.tar'), '--keep-checkpoints', 'none'));
    expect(metricsOf(save)).toEqual(metricsOf(whole).slice(3));
  });

  test('--resume FILE of another folder leaves no lines of other weights', async () => {
    const save = join(folder.path, 'replaced');
    await stopWhen(search(save, '--seed', '9'), save, (name) => name === 'ckpt3.pth.tar', 'SIGKILL');
    await succeed(search(save, '--seed', '9', '--resume', join(whole, 'ckpt2.pth.tar')));
    expect(metricsOf(save).map(({ epoch }) => epoch)).toEqual([3, 4, 5]);
  });

  test('thinning keeps what was asked for; results are the same', async () => {
    const save = join(folder.path, 'thin');
    await succeed(search(save, '--keep-checkpoints', 'every:3'));
    expect(
      readdirSync(save)
        .filter((name) => name.startsWith('ckpt'))
        .sort(),
    ).toEqual(['ckpt2.pth.tar', 'ckpt5.pth.tar']);
    expect(metricsOf(save)).toEqual(metricsOf(whole));
  });
});
