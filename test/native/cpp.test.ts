/** The tests of cpp/ that need no Node: test/cpp, a program of its own. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { findLibTorch } from '../../src/libtorch/find';
import { addonPath } from '../../src/native/addon';

test('test/cpp passes', () => {
  const folder = dirname(dirname(addonPath(findLibTorch())));
  const build = spawnSync('cmake', ['--build', folder, '--target', 'earlybird_tests'], { encoding: 'utf8' });
  expect([build.status, build.status === 0 ? '' : build.stdout]).toEqual([0, '']);
  const { status, stdout } = spawnSync(join(folder, 'earlybird_tests'), { encoding: 'utf8' });
  expect(stdout).toMatch(/^\d+ passed, 0 failed\n$/);
  expect(status).toBe(0);
}, 1_200_000);
