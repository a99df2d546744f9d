import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provenance } from '../../src/engine/provenance';
import { RunDirectory } from '../../src/run/directory';
import { checkDataset } from '../../src/train/resume';

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
