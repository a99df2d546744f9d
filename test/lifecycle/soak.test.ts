/** Memory, descriptors and threads of one process stay level: a short turn of test/stress/soak.mjs. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const soak = join(__dirname, '..', 'stress', 'soak.mjs');

test('200 trainings and 2,000 evaluations leave nothing behind', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [soak, '--trainings', '200'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  expect(JSON.parse(stdout)).toMatchObject({ trainings: 200, evaluations: 2000 });
}, 600_000);
