/** The energy of runs from the command line, on a powercap tree that counts while they run. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyFile } from '../../src/energy/file';
import { describeTrained, succeed } from './run-cli';
import { TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (...names: string[]) => join(folder.path, ...names);

const domain = at('powercap', 'intel-rapl:0');
function put(name: string, value: string | number): void {
  writeFileSync(at('next'), `${value}\n`);
  renameSync(at('next'), join(domain, name));
}
let microjoules = 0;
let timer: NodeJS.Timeout;
beforeAll(() => {
  mkdirSync(domain, { recursive: true });
  mkdirSync(at('empty'));
  put('name', 'package-0');
  put('max_energy_range_uj', 1e12);
  put('energy_uj', microjoules);
  timer = setInterval(() => {
    microjoules += 1e6;
    put('energy_uj', microjoules);
  }, 20);
});
afterAll(() => clearInterval(timer));

const counted = { env: { EARLYBIRD_POWERCAP: at('powercap') } };
const hidden = { env: { EARLYBIRD_POWERCAP: at('empty') } };
const search = (save: string, ...more: string[]) => ['search', ...TINY, '--epochs', '1', '--save', save, ...more];
const energyOf = (save: string) => JSON.parse(readFileSync(join(save, 'energy.json'), 'utf8')) as EnergyFile;

describeTrained('energy', () => {
  test('counted: in energy.json, in the result and in the report', async () => {
    const save = at('counted');
    const { stdout } = await succeed(search(save, '--report', 'true', '--idle-seconds', '0.2'), counted);
    expect(stdout).toMatch(/energy: .* J of .* \(measured: RAPL counter of the processor: package-0\)/);
    const { sources, idle, phases } = energyOf(save);
    expect(sources[0]).toMatchObject({ part: 'cpu', method: 'counter', notes: [expect.any(String)] });
    expect(idle.watts).toBeGreaterThan(0);
    expect(phases.search!.joules).toBeGreaterThan(0);
    // A phase also counts the energy between the windows of its parts.
    const parts = Object.entries(phases).filter(([path]) => path.startsWith('search/'));
    expect(parts.reduce((sum, [, { joules }]) => sum + joules!, 0)).toBeLessThanOrEqual(phases.search!.joules!);
    const html = readFileSync(join(save, 'report', 'index.html'), 'utf8');
    expect(html).toContain('<h2>Energy</h2>');
    expect(html).toContain('<th scope="row">search/train</th>');
    expect(html).toContain('CPU: RAPL counter of the processor: package-0; the counter is of the whole machine');
  });

  test('given watts are said to be an estimate', async () => {
    const save = at('estimate');
    const { stdout } = await succeed(search(save, '--watts', '50', '--idle-seconds', '0.01'), hidden);
    expect(stdout).toContain('(estimated from the given watts)');
    const { sources, idle, phases } = energyOf(save);
    expect(sources.map(({ part, method }) => [part, method])).toEqual([
      ['cpu', null],
      ['given', 'estimated'],
    ]);
    expect(idle.watts).toBeNull();
    expect(phases.search!.joules).toBeCloseTo(50 * phases.search!.seconds, 6);
  });

  test('where nothing is read, or nothing is asked for', async () => {
    const { stdout } = await succeed(search(at('hidden')), hidden);
    expect(stdout).not.toContain('energy');
    expect(energyOf(at('hidden'))).toMatchObject({ sources: [{ reason: expect.any(String) }], idle: { watts: null } });
    await succeed(search(at('off'), '--energy', 'off', '--watts', '50'), hidden);
    expect(existsSync(at('off', 'energy.json'))).toBe(false);
  });

  test('doctor tells what can be read', async () => {
    const checks = async (options: object) => (await succeed(['doctor', '--json'], options)).stdout;
    expect(await checks(counted)).toContain('CPU: RAPL counter of the processor: package-0');
    expect(await checks(hidden)).toContain('CPU: not read: ');
  });
});
