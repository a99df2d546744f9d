import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Skip } from './case';
import type { Seed } from './random';

/** Name of a network in the files of the reference. */
export interface SpecJson {
  arch: string;
  depth?: number;
  dataset: string;
  cfg?: (number | 'M')[];
}

export interface ImagesJson {
  seed: Seed;
  k: number;
  shape: number[];
}

/** Integers that a number cannot hold (64-bit seeds) become strings, before JSON.parse rounds them. */
const LONG_INTEGER = /([:[,]\s*)(-?\d{16,})(?=\s*[,}\]])/g;

export function parseReference(text: string): unknown {
  return JSON.parse(text.replace(LONG_INTEGER, '$1"$2"'));
}

/** A folder in the format of the reference, of which only the content of its files is known. */
export class Reference {
  constructor(readonly dir: string) {}

  has(file: string): boolean {
    return existsSync(join(this.dir, file));
  }

  /** Path of a file that a case reads; skips the case where the file is absent. */
  path(file: string): string {
    if (!this.has(file)) throw new Skip(`${file} is not in ${this.dir}`);
    return join(this.dir, file);
  }

  /** The parsed file. T is what its format promises; a field that is missing fails the case that needs it. */
  json<T>(file: string): T {
    return parseReference(readFileSync(this.path(file), 'utf8')) as T;
  }
}
