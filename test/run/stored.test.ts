import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { RunDirectory } from '../../src/run/directory';
import { metrics } from '../support/metrics';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'earlybird-stored-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

const refused = (message: RegExp) => ({ code: 'ERR_FILE', message: expect.stringMatching(message) });
const lines = [0, 1, 2].map((epoch) => JSON.stringify(metrics(epoch, 1, 50, 40)));

test.each([
  [
    '{"epoch":1,',
    /metrics\.jsonl is damaged: line 2 is not valid JSON; restore the file from a copy, or remove that line/,
  ],
  ['{}', /metrics\.jsonl is damaged: line 2 is not of an epoch \(epoch\); restore/],
  ['null', /line 2 is not of an epoch \(no entries\)/],
  ['', /line 2 is not valid JSON/],
  [lines[1]!.replace('"distances":{}', '"distances":{"30":5}'), /line 2 is not of an epoch \(distances\.30\)/],
  [lines[1]!.replace('"epoch":1', '"epoch":-1'), /line 2 is not of an epoch \(epoch\)/],
])('a damaged line of metrics.jsonl is named: %j', async (line, message) => {
  write('metrics.jsonl', `${lines[0]}\n${line}\n${lines[2]}\n`);
  await expect(RunDirectory.at(folder).readMetrics()).rejects.toMatchObject(refused(message));
});

test('a loss that is no number is read: JSON has it as null', async () => {
  write('metrics.jsonl', `${JSON.stringify(metrics(0, Number.NaN, 50, 40))}\n${lines[1]}\n{"cut`);
  expect(await RunDirectory.at(folder).readMetrics()).toHaveLength(2);
  await RunDirectory.at(folder).writeRecord(2, await RunDirectory.at(folder).readMetrics());
});

test.each([
  [
    '{\n  "command": "search",\n  "recipe": {\n    "epochs": 2x\n  }\n}\n',
    /params\.json is damaged: it is not valid JSON from line 4 on; restore it from a copy, or remove it, and run/,
  ],
  ['{\n  "command": "search",\n', /not valid JSON from line 3 on/],
  ['[]', /params\.json is damaged: it holds no entries/],
  ['null', /it holds no entries/],
  ['{"identity": 3}', /its entry "identity" is not what a run writes/],
])('a damaged params.json is named: %j', async (text, message) => {
  write('params.json', text);
  await expect(RunDirectory.at(folder).readJson('params.json')).rejects.toMatchObject(refused(message));
  await expect(RunDirectory.check(folder, {})).rejects.toMatchObject(refused(message));
});

test.each([
  ['{"channels": 0, "first": 0}', /masks\/index\.json is damaged: its entry "channels" is not what a run writes/],
  ['{"channels": 12, "first": -1}', /its entry "first"/],
  ['{"channels": 12, "first": 0, "steps": {"every": 0, "batches": 5}}', /its entry "steps\.every"/],
])('a damaged index of masks is named: %s', async (index, message) => {
  write('masks/index.json', index);
  write('masks/30.bits', new Uint8Array(4));
  await expect(RunDirectory.at(folder).readMasks(0.3)).rejects.toMatchObject(refused(message));
});

test('a damaged row of a mask file is named, a cut last one is left out', async () => {
  write('masks/index.json', '{"channels": 12, "first": 0, "ratios": [0.3], "steps": {"every": 1, "batches": 3}}');
  write('masks/30.bits', Uint8Array.of(1, 0xf0, 2, 0xf0, 3));
  expect((await RunDirectory.at(folder).readMasks(0.3))!.rows).toHaveLength(2);
  write('masks/30.bits', Uint8Array.of(1, 0xf0, 2, 0xf1));
  const message =
    /masks\/30\.bits is damaged: row 2 has bits beyond its 12 channels; restore it from a copy, or remove it/;
  await expect(RunDirectory.at(folder).readMasks(0.3)).rejects.toMatchObject(refused(message));
  write('masks/30.steps.bits', Uint8Array.of(1, 0xff));
  await expect(RunDirectory.at(folder).readStepMasks(0.3)).rejects.toMatchObject(
    refused(/masks\/30\.steps\.bits is damaged: row 1/),
  );
});
