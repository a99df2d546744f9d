import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { EventFiles } from '../../src/tensorboard/event-files';
import { framed } from '../../src/tensorboard/records';
import { metricsRows } from '../../src/tensorboard/table';
import { withTensorboard } from '../../src/tensorboard/while';
import { epochMetrics } from '../support/report-sample';
import { goTo, writeRunFolder } from '../support/run-folder';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'earlybird-tensorboard-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

/** A Python with the package tensorboard. */
const python = process.env.EARLYBIRD_TENSORBOARD_PYTHON ?? 'python3';
const version = spawnSync(python, ['-c', 'import tensorboard; print(tensorboard.__version__)'], { encoding: 'utf8' });
const readBack = version.status === 0 ? test : test.skip;
if (version.status !== 0) {
  console.warn(`skipped: ${python} has no package tensorboard (EARLYBIRD_TENSORBOARD_PYTHON names another)`);
}

const READ = `
import json, sys
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
folder, file = sys.argv[1:]
records = [(e.step, [v.tag for v in e.summary.value]) for e in EventFileLoader(file).Load()]
board = EventAccumulator(folder, size_guidance={"tensors": 0})
board.Reload()
tags = board.Tags()["tensors"]
scalars, images, hparams = {}, {}, {}
for tag in tags:
    plugin = board.SummaryMetadata(tag).plugin_data
    events = board.Tensors(tag)
    if plugin.plugin_name == "scalars":
        scalars[tag] = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events]
    elif plugin.plugin_name == "images":
        width, height, png = tensor_util.make_ndarray(events[-1].tensor_proto)
        images[tag] = [int(width), int(height), png[1:4].decode(), [e.step for e in events]]
    elif plugin.plugin_name == "hparams":
        data = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
        if data.HasField("session_start_info"):
            hparams.update({k: getattr(v, v.WhichOneof("kind")) for k, v in data.session_start_info.hparams.items()})
        if data.HasField("session_end_info"):
            hparams["ended"] = data.session_end_info.status
        if data.HasField("experiment"):
            hparams["metrics"] = [m.name.tag for m in data.experiment.metric_infos]
times = [e.wall_time for e in board.Tensors("loss/train")]
print(json.dumps({"records": records, "scalars": scalars, "images": images, "hparams": hparams, "increases": times == sorted(times)}))
`;

interface Board {
  records: [step: number, tags: string[]][];
  scalars: Record<string, [step: number, value: number][]>;
  images: Record<string, [width: number, height: number, magic: string, steps: number[]]>;
  hparams: Record<string, unknown>;
  increases: boolean;
}

function read(file: string): Board {
  const { status, stdout, stderr } = spawnSync(python, ['-W', 'ignore', '-c', READ, base, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Board;
}

const eventFilesIn = async (folder: string) => (await readdir(folder)).filter((name) => name.includes('tfevents'));

test('records are framed as TFRecord, with the checksums of its definition', () => {
  // crc32c("123456789") is 0xe3069283 (RFC 3720, B.4 has others); masked as in record_writer.h.
  const bytes = framed([Buffer.from('123456789')]);
  expect(bytes.readBigUInt64LE(0)).toBe(9n);
  expect(bytes.subarray(12, 21).toString()).toBe('123456789');
  const crc = 0xe3069283;
  const masked = ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) % 2 ** 32;
  expect(bytes.readUInt32LE(21)).toBe(masked);
  expect(bytes).toHaveLength(25);
});

readBack(
  'TensorBoard reads every epoch once: of a run that goes on, and of one that was resumed further back',
  async () => {
    await writeRunFolder(base, { completed: 3, recipe: { data: 'café', schedule: [80, 120], sr: true } });
    const files = new EventFiles([base]);
    const [file] = await files.update();
    await goTo(base, 9);
    expect(await files.update()).toEqual([file]);
    const board = read(file!);
    const expected = Array.from({ length: 9 }, (_, i) => epochMetrics(i));
    expect(board.scalars['loss/train']!.map(([step]) => step)).toEqual(expected.map(({ completed }) => completed));
    for (const [i, [, value]] of board.scalars['top-1/test']!.entries())
      expect(value).toBeCloseTo(expected[i]!.test.top1, 4);
    expect(board.scalars['mask distance/p 30 %']!.map(([step]) => step)).toEqual([4, 5, 6, 7, 8]);
    expect(board.scalars['mask distance/p 30 %']![0]![1]).toBeCloseTo(0.25);
    expect(board.images['mask distances/p 30 %']).toEqual([320, 320, 'PNG', [3, 9]]);
    expect(board.increases).toBe(true);
    expect(board.hparams).toMatchObject({ arch: 'vgg', depth: 16, data: 'café', schedule: '80 120', sr: true });
    expect(board.hparams.metrics).toContain('top-1/test');
    expect(board.hparams.ended).toBeUndefined();

    await goTo(base, 5, () => ({ lr: 0.5 }));
    await writeFile(join(base, 'events.out.tfevents.1.earlybird'), 'an older one');
    await writeFile(join(base, 'events.out.tfevents.1.other'), 'of another program');
    const [resumed] = await new EventFiles([base]).update();
    expect((await eventFilesIn(base)).sort()).toEqual(
      ['events.out.tfevents.1.other', resumed!.split('/').at(-1)].sort(),
    );
    await rm(join(base, 'events.out.tfevents.1.other'));
    const again = read(resumed!);
    expect(again.scalars['loss/train']!.map(([step]) => step)).toEqual([1, 2, 3, 4, 5]);
    const rows = again.records.flatMap(([step, tags]) => tags.map((tag) => `${step} ${tag}`));
    expect(new Set(rows).size).toBe(rows.length);
  },
);

readBack('a finished run has its end; values that are not numbers are left out', async () => {
  await writeRunFolder(base, { completed: 4, change: () => ({ joules: null, imagesPerSecond: 5 }) });
  await writeFile(join(base, 'result.json'), '{}');
  const files = new EventFiles([base]);
  const [file] = await files.update();
  const bytes = await readFile(file!);
  const board = read(file!);
  expect(board.hparams.ended).toBe(1);
  expect(Object.keys(board.scalars)).not.toContain('joules');
  expect(board.scalars['images per second']).toHaveLength(4);
  await files.update();
  expect(await readFile(file!)).toEqual(bytes);
});

test('a run writes them as it goes, and goes on where they cannot be written', async () => {
  await writeRunFolder(base, { completed: 2 });
  const logged: string[] = [];
  const told: number[] = [];
  const observer = {
    log: (line: string) => logged.push(line),
    metrics: ({ completed }: { completed: number }) => told.push(completed),
  };
  const work = async (options: { observer?: { metrics?(line: never): void } }) => {
    options.observer?.metrics?.(epochMetrics(0) as never);
    options.observer?.metrics?.(epochMetrics(1) as never);
    return 'done';
  };
  expect(await withTensorboard({ save: base, tensorboard: false }, { observer }, work)).toBe('done');
  expect(await eventFilesIn(base)).toEqual([]);
  expect(await withTensorboard({ save: base, tensorboard: true }, { observer }, work)).toBe('done');
  expect(await eventFilesIn(base)).toHaveLength(1);
  expect([told, logged]).toEqual([[1, 2, 1, 2], []]);
  await writeFile(join(base, 'metrics.jsonl'), 'damage\n');
  expect(await withTensorboard({ save: base, tensorboard: true }, { observer }, work)).toBe('done');
  expect(logged).toEqual([
    expect.stringMatching(/^warning: the event files are not written: .*line 1 is not valid JSON/),
  ]);
});

test('columns have the names of metrics.jsonl, as json_normalize of pandas gives them', async () => {
  const bits = { weight: 8, activate: 8, error: 16, grad: 16 };
  const whole = { windows: 1, seconds: 3, joules: 90, parts: { 'cpu rapl': 90 } };
  const line = epochMetrics(5, {
    arithmetic: { bits, forward: 'mxfp4', gbitops: 7, modelledJoules: 2 },
    ...{ energy: { whole }, joules: 90, signals: { '50': 0.25 }, emerged: { '30': 5 } },
  });
  await writeRunFolder(base, { completed: 1, change: () => line });
  const { train, test: tested, lr, imagesPerSecond } = line;
  expect(await metricsRows([base])).toEqual([
    {
      ...{ run: basename(base), stage: '.', epoch: 5, completed: 6, lr, imagesPerSecond, joules: 90 },
      ...Object.fromEntries(Object.entries(train).map(([name, value]) => [`train.${name}`, value])),
      ...Object.fromEntries(Object.entries(tested).map(([name, value]) => [`test.${name}`, value])),
      ...{ 'seconds.train': 2, 'seconds.evaluate': 1 },
      ...{ 'arithmetic.bits.weight': 8, 'arithmetic.bits.activate': 8 },
      ...{ 'arithmetic.bits.error': 16, 'arithmetic.bits.grad': 16 },
      ...{ 'arithmetic.forward': 'mxfp4', 'arithmetic.gbitops': 7, 'arithmetic.modelledJoules': 2 },
      ...{ 'energy.whole.windows': 1, 'energy.whole.seconds': 3, 'energy.whole.joules': 90 },
      ...{ 'energy.whole.parts.cpu rapl': 90, 'signals.50': 0.25, 'emerged.30': 5, 'distance.30': 0.16 },
    },
  ]);
});

test('the metrics of runs are one table', async () => {
  await writeRunFolder(join(base, 'a'), { completed: 2 });
  await writeRunFolder(join(base, 'b'), { completed: 1 });
  const rows = await metricsRows([base]);
  expect(rows.map(({ run, completed }) => [String(run).split('/').at(-1), completed])).toEqual([
    ['a', 1],
    ['a', 2],
    ['b', 1],
  ]);
  expect(rows[0]).toMatchObject({ 'train.loss': 2, 'test.top5': 30, 'distance.30': null, 'seconds.train': 2 });
  await writeFile(join(base, 'b/metrics.jsonl'), '{\n');
  await expect(metricsRows([base])).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(metricsRows([join(base, 'a/masks')])).rejects.toMatchObject({ code: 'ERR_FILE' });
});
