import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provenance } from '../../src/engine/provenance';
import { RunDirectory } from '../../src/run/directory';
import { checkDataset, refuseEmptyRun, resumeFile, rewound } from '../../src/train/resume';
import { epochMetrics } from '../support/report-sample';

test('images that changed since the run began are refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'earlybird-resume-'));
  const directory = RunDirectory.at(folder);
  const on = (fingerprint: string) => ({ dataset: { name: 'imagenet', fingerprint } }) as Provenance;
  await checkDataset(directory, on('a'));
  await directory.writeJson('params.json', on('a'));
  await checkDataset(directory, on('a'));
  await expect(checkDataset(directory, on('b'))).rejects.toMatchObject({
    code: 'ERR_DATASET',
    message: `${folder} holds a run on other images (the dataset imagenet has changed since): choose another --save, or give --force.`,
  });
  rmSync(folder, { recursive: true });
});

describe('where a run goes on', () => {
  const base = mkdtempSync(join(tmpdir(), 'earlybird-resume-'));
  const own = RunDirectory.at(join(base, 'own'));
  const other = join(base, 'other', 'ckpt3.pth.tar');
  beforeAll(async () => {
    for (const folder of ['own', 'other']) mkdirSync(join(base, folder));
    writeFileSync(other, '');
    await own.writeMetrics([0, 1, 2].map((epoch) => epochMetrics(epoch)));
  });
  afterAll(() => rmSync(base, { recursive: true }));

  test('with other options, killed in its first epoch, it begins again from the file that it began from', () => {
    writeFileSync(own.file('inside-epoch.pth.tar'), '');
    expect(resumeFile(own, 'interrupted', other, other)).toBe(own.file('inside-epoch.pth.tar'));
    expect(resumeFile(own, 'continued', other, other)).toBe(other);
    expect(resumeFile(own, 'continued', undefined, undefined)).toBeNull();
    writeFileSync(own.file('checkpoint.pth.tar'), '');
    expect(resumeFile(own, 'continued', other, other)).toBe(own.file('checkpoint.pth.tar'));
  });

  test('lines of other weights are neither kept nor a reason to finish', async () => {
    await expect(refuseEmptyRun(own, other, 4, 3)).rejects.toMatchObject({ code: 'ERR_RECIPE' });
    await refuseEmptyRun(own, own.file('checkpoint.pth.tar'), 3, 3);
    symlinkSync(own.path, join(base, 'link'));
    expect(await rewound(own, join(base, 'link', 'checkpoint.pth.tar'), 2)).toHaveLength(2);
    expect(await rewound(own, other, 2)).toEqual([]);
  });
});
