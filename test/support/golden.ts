/**
 * Finds the golden reference data. A small part comes with the repository; the whole is in the folder of
 * EARLYBIRD_REFERENCE, else in shared/reference beside the repository.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Reference } from '../parity/lib/reference';

const root = resolve(__dirname, '../..');
export const partFolder = join(root, 'test/fixtures/reference');
export const wholeFolder = resolve(root, process.env.EARLYBIRD_REFERENCE ?? '../shared/reference');

/** The same for number formats, which scripts/golden/mx_formats.py also makes. */
export const formatsFolder = join(root, 'test/fixtures/mx');
export const mxFolder = resolve(root, process.env.EARLYBIRD_MX ?? '../shared/mx/golden');

/** The whole, or the part where the whole is not there. */
export const golden = new Reference(existsSync(wholeFolder) ? wholeFolder : partFolder);
