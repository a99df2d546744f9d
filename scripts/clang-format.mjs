#!/usr/bin/env node
// Checks the style of all native sources, or with --write corrects it. The formatter is the one of the npm package clang-format,
// so that it is the same version everywhere: versions differ in what they make of the same settings.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './build.mjs';

const binary = join(
  dirname(createRequire(import.meta.url).resolve('clang-format/package.json')),
  `bin/${process.platform}_${process.arch}/clang-format`,
);
if (!existsSync(binary)) {
  process.stderr.write(
    `clang-format: skipped, its npm package has no program for ${process.platform} ${process.arch}\n`,
  );
  process.exit(0);
}

const sources = ['cpp', 'binding', 'test/cpp', 'test/fuzz/cpp']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((path) => /\.(c|cpp|h|cu|cuh)$/.test(path))
  .sort();
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
const { status, error } = spawnSync(binary, [...mode, '--style=file', ...sources], { cwd: root, stdio: 'inherit' });
if (error) process.stderr.write(`clang-format: ${error.message}\n`);
if (status !== 0) process.stderr.write('clang-format: run `npm run format` to correct the style\n');
process.exit(status ?? 1);
