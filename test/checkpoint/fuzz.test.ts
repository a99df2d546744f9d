import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fuzz } from '../support/checkpoint-mutations';

test('2,000 damaged files: each gives a sound value or a typed refusal, within twice its size in memory', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-fuzz-'));
  const { refused } = await fuzz(folder, 2000, 1);
  // Damage that does not matter (a flipped weight bit in a legacy file) is read: both outcomes must occur.
  expect(refused).toBeGreaterThan(1000);
  expect(refused).toBeLessThan(2000);
  fs.rmSync(folder, { recursive: true });
});
