/** `bench job` with programs that only write the files of ours and of the peer. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { jobText } from '../../src/cli/print/cost';
import { benchJob, type JobBenchResult } from '../../src/cost/job/job';
import { EarlybirdError } from '../../src/errors';
import { type BenchJobRecipe, parseRecipe } from '../../src/recipe/recipe';
import { temporaryFolder } from '../cli/tiny';
import { fakeEngine } from '../support/fake-addon';
import { metrics } from '../support/metrics';
import { PEERS } from '../support/peers';

jest.mock('../../src/engine/program', () => ({
  ...jest.requireActual('../../src/engine/program'),
  runProgram: (program: string, words: string[]) => runs(program, words),
}));
jest.mock('../../src/engine/device', () => ({
  ...jest.requireActual('../../src/engine/device'),
  openEngine: () => ({ addon: fakeEngine().addon, device: 'cpu', precision: 'fp32' }),
}));

const calls: { name: string; words: string[] }[] = [];
/** Top-1 of the peer by seed. */
let theirTop1 = (_seed: number) => 83;
/** Throws in the run of this name. */
let failing: Record<string, Error> = {};

async function runs(_program: string, words: string[]): Promise<string> {
  const of = (flag: string) => words[words.indexOf(`--${flag}`) + 1]!;
  const system = words.includes('train') ? 'earlybird' : of('mode');
  const name = `${system} ${of('seed')}`;
  calls.push({ name, words });
  if (failing[name]) throw failing[name];
  return system === 'earlybird' ? ours(of('save'), Number(of('seed'))) : theirs(system, of('json'), words);
}

/** Two dense epochs of 10 s and 0.02 G bit operations, one of the ticket of 6 s; tests of 1 s; 80 % and a point a seed. */
function ours(save: string, seed: number): string {
  const arithmetic = { bits: {}, gbitops: 0.02, modelledJoules: 0 };
  const line = (train: number) =>
    `${JSON.stringify({ ...metrics(0, 1, 50, 50), seconds: { train, evaluate: 1 }, arithmetic })}\n`;
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(save, file)), { recursive: true });
    writeFileSync(join(save, file), text);
  };
  write('search/metrics.jsonl', line(10).repeat(2));
  write('retrain/metrics.jsonl', line(6));
  write('params.json', JSON.stringify({ precision: 'fp32', earlybird: '1', libtorch: '2', threads: 1 }));
  const stage = (name: string, top1Last: number, flops: number) => ({
    ...{ directory: join(save, name), top1Last, flops, parameters: flops },
  });
  return JSON.stringify({ search: stage('search', 70, 100), retrain: stage('retrain', 80 + seed, 40) });
}

/** reference takes 104 s and reaches 83 %, tuned 52 s. Its ticket is no faster than the dense network. */
function theirs(mode: string, file: string, words: string[]): string {
  const [train, test] = ['train', 'test'].map((set) => readFileSync(words[words.indexOf(`--${set}`) + 1]!).length);
  expect([train, test]).toEqual([64 * 3073, 32 * 3073]);
  const seconds = mode === 'reference' ? 104 : 52;
  const stage = (macs: number) => ({
    ...{ epochs: 4, seconds: { train: seconds / 2, test: 4 }, parameters: macs, macs_per_image: macs },
  });
  const stages = { dense: stage(50), retrain: stage(20) };
  const record = {
    top1: theirTop1(Number(words[words.indexOf('--seed') + 1])),
    dense_top1: 82,
    dtype: 'fp32',
    torch: '2',
    threads: 1,
    transform: 'torch',
    seconds: { train: seconds, test: 8 },
  };
  writeFileSync(file, JSON.stringify({ ...record, stages }));
  return '';
}

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
let save: string;
let count = 0;
beforeEach(() => {
  save = join(temporary.path, String(count++));
  calls.length = 0;
  theirTop1 = () => 83;
  failing = {};
});

const recipeOf = (more: object = {}): BenchJobRecipe =>
  parseRecipe('benchJob', {
    ...{ save, dataset: 'synthetic', limitTrain: 64, limitTest: 32, epochs: 8, seeds: [1, 2], energy: 'off' },
    ...{ model: 'preresnet20', detectorWindow: 2, device: 'cpu', peer: PEERS, python: 'python', ...more },
  });
const names = () => calls.map(({ name }) => name);
const group = ({ groups }: JobBenchResult, system: string) => groups.find((candidate) => candidate.system === system)!;

test('the programs take turns, with the same settings', async () => {
  await benchJob(recipeOf());
  expect(names()).toEqual(['earlybird 1', 'reference 1', 'tuned 1', 'tuned 2', 'reference 2', 'earlybird 2']);
  const [own, peer] = [calls[0]!.words.join(' '), calls[1]!.words.join(' ')];
  expect(own).toContain('train --dataset synthetic --limit-train 64 --limit-test 32');
  expect(own).toMatch(/--arch resnet --depth 20 .*--sr true .*--percent 0\.5/);
  for (const words of [own, peer]) expect(words).toMatch(/--epochs 8 .*--schedule 4 6\b/);
  expect(own).toContain('--keep-checkpoints none');
  expect(peer).toMatch(
    /peer_job\.py --train .* --model preresnet20 --ratio 0\.5 --epochs 8 .*--mode reference --l1 0\.0001/,
  );
});

test('accuracy, time and ratios, seed by seed', async () => {
  const result = await benchJob(recipeOf());
  expect(group(result, 'earlybird')).toMatchObject({
    ...{ n: 2, of: 2, against: null, top1: { mean: 81.5 }, train: { mean: 26 }, denseEpochs: { mean: 2 } },
    ...{ flopsRatio: { mean: 0.4 }, epochRatio: { mean: 0.6 }, gbitops: { mean: expect.closeTo(0.06, 9) } },
  });
  // Three products of 32 by 32 bits, of 70 multiply-adds in four epochs of 64 images.
  const theirs = (3 * 32 * 32 * 70 * 4 * 64) / 1e9;
  expect(group(result, 'tuned')).toMatchObject({
    ...{ gbitops: { mean: expect.closeTo(theirs, 9) }, against: { gbitops: expect.closeTo(theirs / 0.06, 6) } },
  });
  expect(group(result, 'reference').against).toMatchObject({
    ...{ seeds: [1, 2], train: 4, joules: null, top1: { mean: -1.5, sd: expect.closeTo(Math.SQRT1_2, 3) } },
  });
  expect(group(result, 'tuned').against).toMatchObject({ train: 2 });
  const text = jobText(result);
  expect(text).toMatch(/^reference +104\.0 ± 0\.0 \(4\.00x\)$/m);
  expect(text).toMatch(/^earlybird +81\.50 ± 0\.71$/m);
  expect(text).toMatch(/^reference +83\.00 ± 0\.00 \(\+1\.50\)$/m);
  expect(text).toMatch(/^Bit operations \(G\) +p = 0\.5$/m);
  expect(text).toContain(
    'reference trains for 4.00x our time; our top-1 is 1.50 points below (95 % interval −7.85 to +4.85, 2 paired seeds): 2 seeds cannot tell them apart.',
  );
  expect(text).toContain(
    'an epoch of the ticket takes 1.00x the time of a dense one at 0.40x its FLOPs: the ticket is not',
  );
  expect(text).not.toContain('earlybird: an epoch');
  for (const name of ['json', 'md', 'tex', 'svg']) expect(existsSync(join(save, `bench-job.${name}`))).toBe(true);
});

test('a run that was cut short is done again, the finished ones are not', async () => {
  const abort = new AbortController();
  failing = { 'tuned 1': new Error('killed') };
  abort.abort();
  await expect(benchJob(recipeOf(), { signal: abort.signal })).rejects.toThrow();
  expect(names()).toEqual([]);
  await benchJob(recipeOf());
  calls.length = 0;
  failing = {};
  rmSync(join(save, 'earlybird', 'seed-2', 'result.json'));
  const result = await benchJob(recipeOf());
  expect(names()).toEqual(['tuned 1', 'earlybird 2']);
  expect(calls[1]!.words.join(' ')).toContain('--force true');
  expect(result.groups.map(({ n }) => n)).toEqual([2, 2, 2]);
  calls.length = 0;
  expect((await benchJob(recipeOf())).groups).toEqual(result.groups);
  await benchJob(recipeOf({ seeds: [1, 2, 3], modes: ['tuned'] }));
  expect(names()).toEqual(['earlybird 3', 'tuned 3']);
});

test('other settings and other images are refused before anything runs', async () => {
  await benchJob(recipeOf({ modes: ['tuned'], seeds: [1] }));
  calls.length = 0;
  await expect(benchJob(recipeOf({ lr: 0.2 }))).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringContaining('--lr: 0.1 there, 0.2 now'),
  });
  const params = join(save, 'tuned', 'seed-1', 'params.json');
  const text = readFileSync(params, 'utf8');
  const { fingerprint } = JSON.parse(text).dataset;
  writeFileSync(params, text.replace(fingerprint, 'f'.repeat(64)));
  await expect(benchJob(recipeOf())).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringContaining('was run on other images (ffffffffffff)'),
  });
  writeFileSync(params, text.replaceAll(JSON.parse(text).machine.machine, 'another'));
  await expect(benchJob(recipeOf())).rejects.toMatchObject({ code: 'ERR_BENCH_MACHINE' });
  expect(calls).toEqual([]);
});

test('runs of other images or of another PyTorch are not put into one table, also where nothing is left to run', async () => {
  await benchJob(recipeOf());
  const edit = (file: string, change: (text: string) => string) => {
    const path = join(save, 'tuned', 'seed-2', file);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, change(before));
    return () => writeFileSync(path, before);
  };
  const back = edit('params.json', (text) =>
    text.replaceAll(/"fingerprint": "[0-9a-f]{64}"/g, `"fingerprint": "${'f'.repeat(64)}"`),
  );
  await expect(benchJob(recipeOf())).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringContaining('was run on other images (ffffffffffff)'),
  });
  back();
  edit('result.json', (text) => text.replace('"torch": "2"', '"torch": "3"'));
  await expect(benchJob(recipeOf())).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringMatching(/seed-1 was run with torch 2, but .*seed-2 with 3/),
  });
});

test('seeds that tell the accuracies apart do so in both directions, and one seed has no interval', async () => {
  const verdict = async (of: (seed: number) => number, seeds: number[]) => {
    save = join(temporary.path, String(count++));
    theirTop1 = of;
    const { notes, groups } = await benchJob(recipeOf({ modes: ['tuned'], seeds }));
    return { note: notes.find((line) => line.startsWith('tuned trains for')), top1: groups[1]!.against!.top1 };
  };
  // Ours are 81 and 82.
  expect(await verdict((seed) => [79, 80.1][seed - 1]!, [1, 2])).toEqual({
    note: 'tuned trains for 2.00x our time; our top-1 is 1.95 points above (95 % interval +1.31 to +2.59, 2 paired seeds).',
    top1: {
      ...{ n: 2, mean: expect.closeTo(1.95), sd: expect.closeTo(0.0707, 4) },
      ...{ low: expect.closeTo(1.3147, 4), high: expect.closeTo(2.5853, 4) },
    },
  });
  expect((await verdict((seed) => [83, 84.1][seed - 1]!, [1, 2])).note).toContain(
    'our top-1 is 2.05 points below (95 % interval −2.69 to −1.41, 2 paired seeds).',
  );
  // The peer's own seeds do not scatter at all; the pairs do.
  expect((await verdict(() => 80.5, [1, 2])).note).toContain(
    'our top-1 is 1.00 points above (95 % interval −5.35 to +7.35, 2 paired seeds): 2 seeds cannot tell them apart.',
  );
  expect(await verdict(() => 83, [1])).toEqual({
    note: 'tuned trains for 2.00x our time; our top-1 is 2.00 points below (one paired seed, which has no interval).',
    top1: { n: 1, mean: -2, sd: null, low: null, high: null },
  });
});

/** Changes versions in a file of a run; undefined removes one. */
function setVersions(run: string, file: 'params.json' | 'result.json', versions: Record<string, string | undefined>) {
  const path = join(save, run, file);
  const content = JSON.parse(readFileSync(path, 'utf8'));
  Object.assign((content.description ?? content).versions, versions);
  writeFileSync(path, JSON.stringify(content));
}

test('a commit or a version that was not recorded is another one than those that were', async () => {
  const recipe = recipeOf({ modes: ['tuned'] });
  const notes = async () => (await benchJob(recipe)).notes.filter((line) => line.startsWith('Runs of several commits'));
  await benchJob(recipe);
  const runs = ['earlybird/seed-1', 'earlybird/seed-2', 'tuned/seed-1', 'tuned/seed-2'];
  for (const run of runs) setVersions(run, 'params.json', { commit: undefined });
  expect(await notes()).toEqual([]);
  setVersions(runs[0]!, 'params.json', { commit: 'abc' });
  expect(await notes()).toEqual(['Runs of several commits of earlybird: abc, one that was not recorded.']);

  setVersions('tuned/seed-2', 'result.json', { transform: undefined });
  await expect(benchJob(recipe)).rejects.toMatchObject({
    code: 'ERR_BENCH_MACHINE',
    message: expect.stringMatching(/seed-1 was run with transform torch, but .*seed-2 with \(not recorded\)/),
  });
  // Those of earlier versions go together.
  setVersions('tuned/seed-1', 'result.json', { transform: undefined });
  expect((await benchJob(recipe)).groups.map(({ n }) => n)).toEqual([2, 2]);
  expect(calls).toHaveLength(4);
});

test('--force that is interrupted goes on without it, with what it has run', async () => {
  const recipe = recipeOf({ modes: ['tuned'] });
  await benchJob(recipe);
  const params = join(save, 'tuned', 'seed-1', 'params.json');
  const { fingerprint } = JSON.parse(readFileSync(params, 'utf8')).dataset;
  const folders = ['earlybird', 'tuned'].flatMap((system) => [1, 2].map((seed) => join(save, system, `seed-${seed}`)));
  for (const path of folders.map((folder) => join(folder, 'params.json')))
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(fingerprint, 'f'.repeat(64)));
  const stop = new AbortController();
  const observer = { log: (line: string) => line.startsWith('run 2 of') && stop.abort() };
  await expect(benchJob(recipe, { force: true, signal: stop.signal, observer })).rejects.toThrow();
  calls.length = 0;
  await benchJob(recipe);
  expect(names()).toEqual(['tuned 2', 'earlybird 2']);
});

test('a mode that fails leaves the others, a job of ours that fails ends it unless no ticket emerged', async () => {
  failing = { 'reference 1': new EarlybirdError('ERR_USAGE', 'no torch'), 'reference 2': new Error('no torch') };
  const result = await benchJob(recipeOf());
  expect(group(result, 'reference')).toMatchObject({ n: 0, top1: null, against: null });
  expect(jobText(result)).toContain('reference, seed 1: no torch');
  failing = { 'earlybird 3': new EarlybirdError('ERR_PRUNE', 'No ticket emerged.') };
  const more = await benchJob(recipeOf({ seeds: [3], modes: ['tuned'] }));
  expect(more.groups.map(({ n }) => n)).toEqual([0, 1]);
  failing = { 'earlybird 4': new EarlybirdError('ERR_FILE', 'disk full') };
  await expect(benchJob(recipeOf({ seeds: [4], modes: ['tuned'] }))).rejects.toMatchObject({ code: 'ERR_FILE' });
  failing = { 'earlybird 5': new EarlybirdError('ERR_PRUNE', 'No ticket emerged.') };
  await expect(benchJob(recipeOf({ seeds: [5], peer: 'none' }))).rejects.toMatchObject({
    code: 'ERR_PRUNE',
    message: 'No run could be finished: No ticket emerged.',
  });
});

test('settings in which no ticket can emerge are refused at once', async () => {
  await expect(benchJob(recipeOf({ epochs: 4, detectorWindow: 5 }))).rejects.toMatchObject({ code: 'ERR_RECIPE' });
  expect([calls, existsSync(save)]).toEqual([[], false]);
});
