/** The C++ tests that need no LibTorch, under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; all of them: `npm run sanitize`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const sanitize = join(__dirname, '..', '..', 'scripts', 'sanitize.mjs');

test('nothing is read or written beyond its memory, nothing leaks, nothing is undefined', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [sanitize, 'address', '--light'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  expect(stdout).toMatch(/[1-9]\d* passed, 0 failed/);
}, 600_000);
