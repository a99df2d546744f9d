import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS as LISTED } from '../../src/cli/front';
import { cli, main, start } from './run-cli';

const COMMANDS = [
  'search',
  'prune',
  'retrain',
  'train',
  'evaluate',
  'distance',
  'plot',
  'data',
  'inspect',
  'doctor',
  'libtorch',
  'init',
  'metrics',
  'watch',
];
const OURS = ['search', 'prune', 'retrain', 'train', 'evaluate', 'distance', 'plot'];
/** An environment in which looking for LibTorch is an error: the path holds none. */
const noLibTorch = { env: { LIBTORCH: '/nonexistent' } };

test('--help lists every command, and loads neither schema nor addon', async () => {
  const { status, stdout, stderr } = await cli(['--help'], noLibTorch).done;
  expect([status, stderr]).toEqual([0, '']);
  for (const name of COMMANDS) expect(stdout).toContain(`earlybird ${name}`);

  const probe = `process.argv.push('--help'); require(${JSON.stringify(main)}); process.on('exit', () => console.error(Object.keys(require.cache).filter((f) => /node_modules.(zod|vega|sharp)|dist.(cli.commands|native|recipe|report|train)/.test(f)).join()))`;
  expect((await start(process.execPath, ['-e', probe, '--', 'x'], noLibTorch).done).stderr.trim()).toBe('');
});

test.each(OURS)('%s --help works without LibTorch', async (name) => {
  const { status, stdout } = await cli([name, '--help'], noLibTorch).done;
  expect(status).toBe(0);
  expect(stdout).toContain('--print-recipe');
});

test.each(['--version', '-V', 'version'])('%s', async (word) => {
  const { status, stdout } = await cli([word], noLibTorch).done;
  expect([status, stdout.trim()]).toEqual([0, require('../../package.json').version]);
});

test.each([
  [[], ['--help']],
  [['-h'], ['--help']],
  [['help'], ['--help']],
  [
    ['help', 'data', 'pack'],
    ['data', 'pack', '--help'],
  ],
  [
    ['--json', 'search', '--lr', '0'],
    ['search', '--lr', '0', '--json'],
  ],
])('%j is %j', async (words, meant) => {
  const [one, other] = await Promise.all([cli(words, noLibTorch).done, cli(meant, noLibTorch).done]);
  expect(one).toEqual(other);
  expect(one.stdout + one.stderr).not.toBe('');
});

test('train --help: examples first, then options by group, the common ones before the others', async () => {
  const { stdout } = await cli(['train', '--help'], noLibTorch).done;
  const headings = [...stdout.matchAll(/^([A-Z]\w+):$/gm)].map(([, heading]) => heading);
  const groups = ['Common', 'Data', 'Network', 'Training', 'Ticket', 'Precision', 'Machine', 'Output', 'Other'];
  expect(headings).toEqual(['Examples', ...groups]);
  const group = (option: string) =>
    stdout
      .split(/\n\n(?=[A-Z])/)
      .find((part) => part.includes(` ${option} `))
      ?.split(':')[0];
  expect(
    ['--epochs', '--workers', '--cfg', '-s', '--ratios', '--wl-weight', '--threads', '--report'].map(group),
  ).toEqual(groups.slice(0, -1));
  expect(stdout).toContain('(also -sr)');
  expect(stdout).not.toMatch(/\[string\]|--local-rank/);
});

test('--preset is an option where a network is trained or read, --force where a run may be there', async () => {
  const offered = async (name: string) => {
    const { stdout } = await cli([name, '--help'], noLibTorch).done;
    return [/--preset/.test(stdout), /--force/.test(stdout)];
  };
  expect(await Promise.all(['train', 'evaluate', 'plot', 'distance', 'doctor'].map(offered))).toEqual([
    [true, true],
    [true, false],
    [false, false],
    [false, false],
    [false, false],
  ]);
});

test('every command shows how it is used, before its options', async () => {
  const own = LISTED.map(([name]) => name).filter((name) => !['bench', 'data', 'libtorch'].includes(name));
  const within = { data: 'fetch verify pack', libtorch: 'where use fetch', bench: 'step energy loader compare' };
  const groups = Object.entries(within).flatMap(([group, names]) => names.split(' ').map((name) => `${group} ${name}`));
  const shows = async (command: string) => {
    const { status, stdout } = await cli([...command.split(' '), '--help'], noLibTorch).done;
    expect([command, status]).toEqual([command, 0]);
    expect(stdout).toMatch(new RegExp(`^Examples:\\n# .*\\n\\$ (.* )?earlybird ${command}`, 'm'));
  };
  const all = [...own, ...groups];
  for (let i = 0; i < all.length; i += 4) await Promise.all(all.slice(i, i + 4).map(shows));
});

test('completion prints a script, which asks for commands and options', async () => {
  expect((await cli(['completion'], noLibTorch).done).stdout).toContain('--get-yargs-completions');
  const { stdout } = await cli(['--get-yargs-completions', 'earlybird', 'train', '--per'], noLibTorch).done;
  expect(stdout.split('\n')).toContain('--percent');
});

test.each([
  [['train', '--percnt', '0.3'], '--percnt is not an option of this command: did you mean --percent?'],
  [['train', '--no-reprot'], '--no-reprot is not an option of this command: did you mean --no-report?'],
  [['train', '--no-epochs'], '--no-epochs is not possible: --epochs takes a value, a whole number, 1 or more.'],
  [['search', '--no-ratios'], '--no-ratios is not possible: --ratios takes a value'],
  [['tarin'], 'tarin is not a command: did you mean train?'],
  [['help', 'tarin'], 'tarin is not a command: did you mean train?'],
  [['quantum'], 'quantum is not a command: earlybird --help lists them.'],
  [['data', 'vrify'], 'Did you mean verify?'],
  [['--percent', '0.3', 'train'], '0.3 is not a command: put the command first, as in earlybird train --flag ...'],
])('%j is refused with what was meant', async (words, said) => {
  const { status, stderr } = await cli(words, noLibTorch).done;
  expect(status).toBe(2);
  expect(stderr).toContain(said);
});

test.each([
  ['train', ['report', 'sr', 'measure', 'capture']],
  ['search', ['report', 'sparsity-regularization', 'capture']],
  ['prune', ['measure', 'protective']],
  ['evaluate', ['capture']],
  ['bench energy', ['sr', 'capture']],
])('%s: --no-x turns any switch off', async (command, names) => {
  const needed = command === 'prune' ? ['--model', 'x'] : [];
  const words = [...command.split(' '), ...needed, ...names.map((name) => `--no-${name}`), '--print-recipe'];
  const { status, stdout } = await cli(words, noLibTorch).done;
  expect(status).toBe(0);
  const key = (name: string) => (/^s(p|r)/.test(name) ? 'sr' : name);
  expect(JSON.parse(stdout)).toMatchObject(Object.fromEntries(names.map((name) => [key(name), false])));
});

test('means over batches are printed when they are asked for', async () => {
  const offered = async (name: string) =>
    /--reference-metrics/.test((await cli([name, '--help'], noLibTorch).done).stdout);
  const commands = ['search', 'retrain', 'evaluate', 'train', 'prune', 'plot'];
  expect(await Promise.all(commands.map(offered))).toEqual([true, true, true, false, false, false]);
});

test('--print-recipe prints the validated recipe and stops', async () => {
  const { status, stdout, stderr } = await cli(['search', '--start_epoch', '3', '-sr', '--print-recipe'], noLibTorch)
    .done;
  expect([status, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ startEpoch: 3, sr: true, schedule: [80, 120] });
});

test('plot takes folders without a flag', async () => {
  const { stdout } = await cli(['plot', 'a', 'b', '--ratios', '0.3', '--print-recipe'], noLibTorch).done;
  expect(JSON.parse(stdout)).toMatchObject({ folders: ['a', 'b'], ratios: [0.3] });
});

test.each([
  [['search', '--bogus', '1'], 2, 'ERR_USAGE'],
  [['search', '--lr', 'fast'], 2, 'ERR_RECIPE'],
  [['search', '--lr'], 2, 'ERR_USAGE'],
  [['serch'], 2, 'ERR_USAGE'],
  [['data'], 2, 'ERR_USAGE'],
  [['data', 'vrify'], 2, 'ERR_USAGE'],
  [['data', 'verify', 'folder', '--image-size', '0'], 2, 'ERR_RECIPE'],
  [['inspect'], 2, 'ERR_RECIPE'],
  [['train', 'words'], 2, 'ERR_USAGE'],
  [['--lr', '1', 'train'], 2, 'ERR_USAGE'],
  [['evaluate', 'a', '--resume', 'b'], 2, 'ERR_USAGE'],
  [['search', '--gpu_ids', '0;1'], 2, 'ERR_RECIPE'],
  [['prune', '--model', '/nonexistent.pth.tar'], 1, 'ERR_FILE'],
  [['search', '--resume', '/nonexistent.pth.tar', '--save', join(tmpdir(), 'eb-never')], 1, 'ERR_FILE'],
  [['retrain', '--scratch', '/nonexistent.pth.tar', '--save', join(tmpdir(), 'eb-never')], 1, 'ERR_FILE'],
  [['plot', '/nonexistent'], 1, 'ERR_FILE'],
  [['distance', '--save', '/nonexistent'], 1, 'ERR_FILE'],
  [['evaluate'], 2, 'ERR_USAGE'],
])('%j ends with %i and %s', async (args, expected, code) => {
  const { status, stdout, stderr } = await cli(args as string[]).done;
  expect([status, stdout]).toEqual([expected, '']);
  expect(stderr).toMatch(/^earlybird: [^\n]+ \[ERR_\w+\]\n$/);
  expect(stderr).toContain(`[${code}]`);
});

test('--json makes errors JSON too', async () => {
  const { status, stderr } = await cli(['search', '--lr', '0', '--json']).done;
  expect(status).toBe(2);
  expect(JSON.parse(stderr)).toEqual({
    error: { code: 'ERR_RECIPE', message: '--lr 0 is not possible: give a number above 0.' },
  });
});

test('a file that is no checkpoint is refused by name', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'eb-cli-')), 'text.pth.tar');
  writeFileSync(file, 'hello');
  const { status, stderr } = await cli(['prune', '--model', file]).done;
  expect(status).toBe(1);
  expect(stderr).toContain(file);
  expect(stderr).toContain('[ERR_CHECKPOINT]');
});
