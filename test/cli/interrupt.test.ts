/** A second Ctrl-C, where the handlers of process.exit() would wait for something that does not come. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

test.each(['SIGINT', 'SIGTERM'])('a second %s ends at once, and leaves no lock', (second) => {
  const built = (name: string) => JSON.stringify(join(__dirname, '..', '..', 'dist', name));
  const run = join(folder.path, second);
  const program = `
    process.on('exit', () => { for (;;); });
    const { lockFolder } = require(${built('lock.js')});
    const signal = require(${built('cli/interrupt.js')}).interruptSignal();
    signal.addEventListener('abort', () => process.kill(process.pid, '${second}'));
    lockFolder(${JSON.stringify(run)}).then(() => {
      process.stdout.write(String(require('node:fs').existsSync(${JSON.stringify(run)})));
      process.kill(process.pid, 'SIGINT');
    });
    setInterval(() => {}, 1000);`;
  const { signal, stdout } = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
  });
  expect({ signal, stdout }).toEqual({ signal: 'SIGINT', stdout: 'true' });
  expect(existsSync(run)).toBe(false);
});
