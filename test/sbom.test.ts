/** The list of the parts of the package. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';

const root = join(__dirname, '..');
const sbom = (...options: string[]) =>
  execFileSync(process.execPath, [join(root, 'scripts/sbom.mjs'), ...options], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
const readJson = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));

interface Component {
  'bom-ref': string;
  name: string;
  version?: string;
  hashes?: { alg: string; content: string }[];
  components?: Component[];
}

const text = sbom();
const { metadata, components, dependencies } = JSON.parse(text) as {
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
};

test('it is valid CycloneDX 1.5', async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
  expect(await validator.validate(text)).toBeNull();
  const broken = text.replace('"type": "library"', '"type": "a library"');
  expect(await validator.validate(broken)).not.toBeNull();
});

test('it has every package of the lock file with its hash, and LibTorch as it is fetched', () => {
  const { packages } = readJson('package-lock.json') as {
    packages: Record<string, { version: string; name?: string }>;
  };
  const listed = new Set(components.map(({ name, version }) => `${name}@${version}`));
  const wanted = Object.entries(packages)
    .filter(([path]) => path)
    .map(([path, { name, version }]) => `${name ?? path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`);
  expect(wanted.filter((one) => !listed.has(one))).toEqual([]);
  const hashed = components.filter(({ hashes }) => hashes?.some(({ alg }) => alg === 'SHA-512'));
  expect(components.length - hashed.length).toBe(3);

  const { cpu, cuda } = readJson('scripts/libtorch.json') as Record<string, string>;
  const libtorch = components.filter(({ name }) => name === 'libtorch');
  expect(libtorch.map(({ version }) => version)).toEqual([cpu, cuda]);
  expect(libtorch[0]!.components!.map(({ name }) => name)).toEqual(['c10d', 'gloo']);
  const { name, version } = readJson('package.json') as Component;
  expect(metadata.component).toMatchObject({ name, version });
  const own = dependencies.find(({ ref }) => ref === metadata.component['bom-ref'])!;
  expect(own.dependsOn).toEqual(expect.arrayContaining(['libtorch-cpu', 'libtorch-cuda', 'libjpeg-turbo']));
  const refs = new Set([metadata.component, ...components].map((part) => part['bom-ref']));
  expect(dependencies.filter(({ ref, dependsOn }) => ![ref, ...dependsOn].every((one) => refs.has(one)))).toEqual([]);
});

test('it is the same each time, names no registry, and can leave out what serves development', () => {
  expect(sbom()).toBe(text);
  expect(text.match(/https?:\/\/[^/"]*/g)).toEqual(['http://cyclonedx.org']);
  const shipped = (JSON.parse(sbom('--omit', 'dev')) as { components: Component[] }).components.map(({ name }) => name);
  expect(shipped).toContain('sharp');
  expect(shipped).not.toContain('jest');
});
