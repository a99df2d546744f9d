#!/usr/bin/env node
// Prints the parts of the package as CycloneDX 1.5 (JSON): npm's own list of the packages in package-lock.json, and the
// parts that npm does not know: LibTorch with its components that are used by name, and libjpeg-turbo, which are found
// or fetched where the package is installed.
//   npm run sbom [-- --omit dev]
// The same lock file gives the same bytes: the list holds no time and no random number.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const readJson = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

const options = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', ...process.argv.slice(2)];
const { status, stdout, stderr, error } = spawnSync('npm', options, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 26,
});
if (status !== 0) {
  process.stderr.write(`npm gives no list of the packages: npm 10 or newer is needed\n${error?.message ?? stderr}\n`);
  process.exit(1);
}
const bom = JSON.parse(stdout);
const { name, version } = readJson('package.json');
const versions = readJson('scripts/libtorch.json');

/**
 * The wheel of PyTorch, of which only the LibTorch is used, with its parts that the sources name. Its hash depends on
 * Python and machine: pip compares it with that of its index.
 */
function libtorch(variant) {
  return {
    'bom-ref': `libtorch-${variant}`,
    type: 'library',
    name: 'libtorch',
    version: versions[variant],
    scope: 'optional',
    description: `${variant === 'cpu' ? 'CPU' : 'CUDA'} build; not in the package, found or fetched on demand`,
    licenses: [{ license: { id: 'BSD-3-Clause' } }],
    purl: `pkg:pypi/torch@${versions[variant]}`,
    components: PARTS[variant].map(([part, description, licence]) => ({
      'bom-ref': `libtorch-${variant}/${part}`,
      type: 'library',
      name: part,
      description,
      licenses: [{ license: { id: licence } }],
    })),
  };
}

const C10D = ['c10d', 'process groups, store and reducer for several processes', 'BSD-3-Clause'];
const GLOO = ['gloo', 'collectives on CPUs, linked into LibTorch', 'BSD-3-Clause'];
const PARTS = { cpu: [C10D, GLOO], cuda: [C10D, GLOO, ['nccl', 'collectives on GPUs', 'BSD-3-Clause']] };

const LIBJPEG = {
  'bom-ref': 'libjpeg-turbo',
  type: 'library',
  name: 'libjpeg-turbo',
  scope: 'optional',
  description: 'The shared library of the system, or a copy beside a prebuilt decoder; any version from 2.0 on',
  licenses: [{ license: { id: 'IJG' } }, { license: { id: 'BSD-3-Clause' } }],
};

const others = [libtorch('cpu'), libtorch('cuda'), LIBJPEG];
// npm calls a package after its folder, which has another name for a clone and for an alias.
for (const part of [bom.metadata.component, ...bom.components])
  part.name = decodeURIComponent(/^pkg:npm\/(.*)@[^@]*$/.exec(part.purl)[1]);
bom.components.push(...others);
const own = bom.dependencies.find(({ ref }) => ref === bom.metadata.component['bom-ref']);
own.dependsOn.push(...others.map((part) => part['bom-ref']));
bom.dependencies.push(...others.map((part) => ({ ref: part['bom-ref'], dependsOn: [] })));

// Addresses depend on the machine that made the list, and the rest changes with the time.
for (const part of [bom.metadata.component, ...bom.components]) {
  const kept = part.externalReferences?.filter(({ type }) => type !== 'distribution') ?? [];
  if (kept.length > 0) part.externalReferences = kept;
  else delete part.externalReferences;
}
delete bom.metadata.timestamp;
delete bom.metadata.tools;
delete bom.serialNumber;
const id = createHash('sha256').update(JSON.stringify(bom)).digest('hex');
bom.serialNumber = `urn:uuid:${id.slice(0, 8)}-${id.slice(8, 12)}-5${id.slice(13, 16)}-a${id.slice(17, 20)}-${id.slice(20, 32)}`;
if (own.ref !== `${name}@${version}`) throw new Error(`npm lists ${own.ref}, not ${name}@${version}`);
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
