/** The golden reference data, where it is. Tests that need it are skipped with a reason where it is not. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const goldenFolder =
  process.env.EARLYBIRD_REFERENCE ?? resolve(__dirname, '..', '..', '..', 'shared', 'reference');
export const hasGolden = existsSync(join(goldenFolder, 'README.md'));

if (!hasGolden)
  console.warn(`skipped: no golden reference data in ${goldenFolder}; set EARLYBIRD_REFERENCE to its folder`);

/** Like describe. The body of a skipped one would still run, and read files that are not there. */
export function describeGolden(name: string, body: () => void): void {
  if (hasGolden) describe(name, body);
  else test.skip(name, () => {});
}

export function golden<T>(name: string): T {
  return JSON.parse(readFileSync(join(goldenFolder, name), 'utf8')) as T;
}
