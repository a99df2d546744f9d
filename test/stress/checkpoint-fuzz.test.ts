/** The long run of test/checkpoint/fuzz.test.ts. EARLYBIRD_FUZZ_COUNT and EARLYBIRD_FUZZ_SEED change how many and which. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { fuzz } from '../support/checkpoint-mutations';

const count = Number(process.env.EARLYBIRD_FUZZ_COUNT ?? 30_000);
const seed = Number(process.env.EARLYBIRD_FUZZ_SEED ?? 2);
/** A hang, not a speed: what one file may take on a loaded machine, in milliseconds. */
const HANG = 5000;

test(`${count} damaged files`, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-fuzz-'));
  const { refused, slowest } = await fuzz(folder, count, seed);
  console.log(`${count} files, ${refused} refused, slowest ${slowest.toFixed(1)} ms`);
  expect(slowest).toBeLessThan(HANG);
  fs.rmSync(folder, { recursive: true });
}, 600_000);
