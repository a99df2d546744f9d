/** Loading the addon leaves the environment that programs of this process get as the user gave it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const addon = JSON.stringify(join(__dirname, '..', '..', 'dist', 'native', 'addon.js'));
const program = `require(${addon}).loadAddon({ device: 'cpu' }); process.stdout.write(String(process.env.GOMP_SPINCOUNT));`;

test.each([
  [undefined, 'undefined'],
  ['300', '300'],
])('GOMP_SPINCOUNT of %s', (given, seen) => {
  const { GOMP_SPINCOUNT: _, ...others } = process.env;
  const env = given === undefined ? others : { ...others, GOMP_SPINCOUNT: given };
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { env, encoding: 'utf8' });
  expect([stdout, stderr]).toEqual([seen, '']);
});
