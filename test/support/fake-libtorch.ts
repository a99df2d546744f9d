import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The modules under test, copied into a package of their own, so that .libtorch/, build/ and prebuilds/ are the test's. */
export function isolate() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'earlybird-libtorch-')));
  const source = join(__dirname, '..', '..', 'src');
  for (const file of [
    'atomic.ts',
    'cores.ts',
    'errors.ts',
    'folder.ts',
    'http.ts',
    'lock.ts',
    'download.ts',
    'package.ts',
    'tensor.ts',
    'libtorch',
    'native',
  ]) {
    cpSync(join(source, file), join(root, 'src', file), { recursive: true });
  }
  writeFileSync(join(root, 'tsconfig.json'), '{}');
  symlinkSync(join(source, '..', 'node_modules'), join(root, 'node_modules'));
  cpSync(join(source, '..', 'scripts', 'libtorch.json'), join(root, 'scripts', 'libtorch.json'));
  return {
    root,
    libtorch: require(join(root, 'src/libtorch/find.ts')) as typeof import('../../src/libtorch/find'),
    addon: require(join(root, 'src/native/addon.ts')) as typeof import('../../src/native/addon'),
    config: require(join(root, 'src/libtorch/config.ts')) as typeof import('../../src/libtorch/config'),
    pack: require(join(root, 'src/package.ts')) as typeof import('../../src/package'),
    fetch: require(join(root, 'src/libtorch/fetch.ts')) as typeof import('../../src/libtorch/fetch'),
  };
}

export interface Fake {
  version?: string;
  header?: string | null;
  label?: string | null;
  file?: string;
  cuda?: boolean;
  libraries?: string[];
}

/** Writes the files of a LibTorch that discovery reads, and nothing that could be loaded. */
export function fakeLibTorch(root: string, fake: Fake = {}): string {
  const {
    version = '2.13.0',
    header = 'headeronly/version.h',
    label = '+cpu',
    file = 'version.py',
    cuda,
    libraries = [],
  } = fake;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const [major, minor, patch] = version.split('.');
  const defines = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  if (header) write(join('include/torch', header), defines);
  if (label !== null)
    write(file, file === 'version.py' ? `__version__ = '${version}${label}'\n` : `${version}${label}\n`);
  const names = ['libtorch_cpu.so', ...(cuda ? ['libtorch_cuda.so'] : []), ...libraries];
  for (const name of names) write(join('lib', name), '');
  return root;
}
