/** scripts/setup.mjs in a copy of the repository with fakes for all tools: its steps, and messages of failures. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(__dirname, '..', '..');
const clone = mkdtempSync(join(tmpdir(), 'earlybird-setup-'));
const path = (...parts: string[]) => join(clone, ...parts);

function write(file: string, text: string): void {
  mkdirSync(dirname(path(file)), { recursive: true });
  writeFileSync(path(file), text);
}

/** A program on PATH that is a shell script. */
function tool(name: string, script: string): void {
  write(join('bin', name), `#!/bin/sh\n${script}\n`);
  chmodSync(path('bin', name), 0o755);
}

function setup(env: NodeJS.ProcessEnv = {}) {
  const { status, stderr } = spawnSync(process.execPath, [path('scripts/setup.mjs')], {
    encoding: 'utf8',
    env: { PATH: path('bin'), HOME: path('home'), ...env },
  });
  return { status, stderr };
}

function fakeLibTorch(): string {
  write('torch/lib/libtorch_cpu.so', '');
  write('torch/version.py', "__version__ = '2.13.0+cpu'\n");
  return path('torch');
}

/** A CMake that notes its calls, and compilers. */
function fakeCompilers(lines = ''): void {
  tool('c++', 'exit 0');
  tool('g++', 'exit 0');
  tool(
    'cmake',
    `echo "$@" >>${path('cmake.log')}
case "$1" in
  --version) ;;
  --build) ${lines}
    /bin/mkdir -p "$2/Release"; echo >"$2/Release/earlybird.node";;
  *) echo "-- CUDA plugin: no (a fake)";;
esac`,
  );
}

beforeAll(() => {
  // Without a tsconfig.json there is nothing to compile; the files of dist/ that setup needs are there already.
  cpSync(join(repository, 'scripts'), path('scripts'), { recursive: true });
  write(
    'package-lock.json',
    JSON.stringify({ packages: { '': {}, 'node_modules/node-api-headers': { version: '1.0.0' } } }),
  );
  // Without `binary` in package.json, cmake-js would fetch the headers of Node.
  cpSync(join(repository, 'package.json'), path('package.json'));
  for (const file of [
    'atomic.js',
    'errors.js',
    'folder.js',
    'lock.js',
    'http.js',
    'download.js',
    'package.js',
    'libtorch',
  ]) {
    cpSync(join(repository, 'dist', file), path('dist', file), { recursive: true });
  }
  for (const folder of ['src', 'cpp', 'binding', 'cmake']) mkdirSync(path(folder));
});

beforeEach(() => {
  for (const name of ['bin', 'build', 'torch', '.libtorch', 'node_modules', 'cmake.log', 'apt.log'])
    rmSync(path(name), { recursive: true, force: true });
  write('node_modules/.package-lock.json', readFileSync(path('package-lock.json'), 'utf8'));
  for (const name of ['cmake-js', 'yauzl'])
    symlinkSync(join(repository, 'node_modules', name), path('node_modules', name));
});

afterAll(() => rmSync(clone, { recursive: true, force: true }));

test('does every step once, and nothing the second time', () => {
  fakeCompilers();
  const first = setup({ LIBTORCH: fakeLibTorch() });
  expect(first).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/native addon: built .*torch2\.13-cpu.*CUDA plugin: no \(a fake\)/),
  });
  const calls = readFileSync(path('cmake.log'), 'utf8');
  const second = setup({ LIBTORCH: path('torch') });
  expect(second).toMatchObject({ status: 0, stderr: expect.stringContaining('native addon: up to date') });
  expect(second.stderr.trim().split('\n')).toHaveLength(6);
  expect(readFileSync(path('cmake.log'), 'utf8')).toBe(calls);
});

test('builds again when a source has changed, or the addon is gone', () => {
  fakeCompilers();
  const env = { LIBTORCH: fakeLibTorch() };
  setup(env);
  write('cpp/new.cpp', '');
  expect(setup(env).stderr).toContain('native addon: built');
  rmSync(path('build/torch2.13-cpu/build/Release/earlybird.node'));
  expect(setup(env).stderr).toContain('native addon: built');
  expect(setup(env).stderr).toContain('native addon: up to date');
});

test('builds anew for another compiler, and a plugin that is not built any more is gone', () => {
  fakeCompilers();
  const env = { LIBTORCH: fakeLibTorch() };
  setup(env);
  const release = 'build/torch2.13-cpu/build/Release';
  for (const plugin of ['earlybird_cuda.so', 'earlybird_jpeg.so']) write(join(release, plugin), '');
  expect(setup({ ...env, CXXFLAGS: '-O1' }).stderr).toContain('native addon: built');
  expect(readdirSync(path(release)).sort()).toEqual(['earlybird.node', 'earlybird_jpeg.so']);
  write(join(release, '../CMakeCache.txt'), 'EB_COMPILERS:INTERNAL=||\n');
  tool('mine', 'exit 0');
  expect(setup({ ...env, CXX: 'mine', CC: 'mine' }).stderr).toContain('native addon: built');
  expect(readdirSync(path(release)).sort()).toEqual(['earlybird.node']);
  expect(readFileSync(path('cmake.log'), 'utf8')).toContain('-DEB_COMPILERS:INTERNAL=mine|mine|');
});

test.each([
  ['Ninja', 'echo "[0/2] Re-checking"; echo "[1/8] A"; echo "[5/8] B"; echo "[8/8] C"'],
  ['Make', 'echo "[  0%] A"; echo "[ 12%] A"; echo "[ 62%] Building"; echo "[100%] Built"'],
])('says how far the build is: %s', (_, lines) => {
  fakeCompilers(lines);
  const { stderr } = setup({ LIBTORCH: fakeLibTorch() });
  expect(stderr.match(/compiling, \d+%/g)).toEqual(['0%', '10%', '60%', '100%'].map((done) => `compiling, ${done}`));
});

test('says that it goes on where npm and pip take long', () => {
  rmSync(path('node_modules/.package-lock.json'));
  tool('npm', '/bin/sleep 6');
  tool('python3', 'case "$*" in *install*) /bin/sleep 6; exit 1;; esac');
  const { stderr } = setup();
  expect(stderr).toMatch(/npm packages: 5 s\n +installed/);
  expect(stderr).toMatch(/LibTorch: pip install [^\n]+\n +5 s\n/);
}, 60_000);

test('says which system package it installs before it does, and installs none where it is told not to', () => {
  fakeCompilers();
  tool('sudo', '[ "$1" = -n ] && shift; "$@"');
  tool('apt-get', `echo "$@" >>${path('apt.log')}`);
  tool('cc', `/bin/cat >/dev/null; [ -f ${path('apt.log')} ]`);
  const env = { LIBTORCH: fakeLibTorch() };
  expect(setup({ ...env, EARLYBIRD_NO_INSTALL: '1' }).stderr).toContain('libjpeg-turbo: not found');
  expect(existsSync(path('apt.log'))).toBe(false);
  expect(setup(env).stderr).toMatch(
    /libjpeg-turbo: (sudo -n )?apt-get install -y libjpeg-dev .*EARLYBIRD_NO_INSTALL=1.*\n +installed\n/,
  );
  expect(readFileSync(path('apt.log'), 'utf8')).toBe('install -y libjpeg-dev\n');
});

test('cmake-js configures for the LibTorch that was found, and needs no download', () => {
  fakeCompilers();
  setup({ LIBTORCH: fakeLibTorch(), CXXFLAGS: '-march=native' });
  const configure = readFileSync(path('cmake.log'), 'utf8')
    .split('\n')
    .find((line) => line.includes('CMAKE_JS_VERSION'))!;
  expect(configure).toContain(`-DLIBTORCH_ROOT=${path('torch')} `);
  expect(configure).toContain(`-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${path('build/torch2.13-cpu/build/Release')} `);
  expect(configure).toMatch(/-DCMAKE_JS_INC=\S+node-api-headers.include/);
  // The last one counts, and it is ours.
  expect(configure.match(/CMAKE_CXX_FLAGS=(\S*)/g)?.at(-1)).toBe('CMAKE_CXX_FLAGS=-march=native');
});

/** Each fault must name its step, its cause and its remedy. */
test.each<[string, string, RegExp, () => NodeJS.ProcessEnv | undefined]>([
  [
    'packages that cannot be installed',
    'npm packages',
    /npm could not install.*\n {2}remedy: .*registry/,
    () => {
      rmSync(path('node_modules'), { recursive: true });
      tool('npm', 'echo "npm error network"; exit 1');
      return undefined;
    },
  ],
  [
    'a LIBTORCH that is none',
    'LibTorch',
    /LIBTORCH names \/nowhere, .*: correct or unset it/,
    () => ({ LIBTORCH: '/nowhere' }),
  ],
  ['no LibTorch and no python3', 'LibTorch', /there is no python3: .*set LIBTORCH .*--from FILE/, () => undefined],
  [
    'a python3 without pip and venv',
    'LibTorch',
    /neither pip nor a working venv: .*--from FILE/,
    () => {
      tool('python3', 'case "$1" in -c|--version) exit 0;; *) exit 1;; esac');
      return undefined;
    },
  ],
  [
    'a package index without torch',
    'LibTorch',
    /has no torch 2\S+\+cpu for this Python: .*--index-url.*--from FILE/,
    () => {
      tool(
        'python3',
        'case "$*" in *install*) echo "ERROR: No matching distribution found for torch" >&2; exit 1;; esac',
      );
      return undefined;
    },
  ],
  [
    'a full disk, which no larger build would fit either',
    'LibTorch',
    /LibTorch: pip install [^\n]*\n\s*FAILED[\s\S]*the disk is full.*free some space/,
    () => {
      tool('python3', 'case "$*" in *install*) echo "[Errno 28] No space left on device" >&2; exit 1;; esac');
      return undefined;
    },
  ],
  [
    'no CMake',
    'native addon',
    /CMake 3\.18 or newer was not found.*\n {2}remedy: install/,
    () => ({ LIBTORCH: fakeLibTorch() }),
  ],
  [
    'no compiler',
    'native addon',
    /a C\+\+20 compiler was not found.*\n {2}remedy: install g\+\+/,
    () => {
      tool('cmake', 'exit 0');
      return { LIBTORCH: fakeLibTorch() };
    },
  ],
  [
    'sources that do not compile',
    'native addon',
    /step.cpp:3: error[\s\S]*the native sources do not compile.*\n {2}remedy: read the output above/,
    () => {
      fakeCompilers();
      tool('cmake', 'if [ "$1" = --build ]; then echo "step.cpp:3: error"; exit 2; fi');
      return { LIBTORCH: fakeLibTorch() };
    },
  ],
  [
    'a compiler killed for memory',
    'native addon',
    /memory ran out\n {2}remedy: free some memory/,
    () => {
      fakeCompilers();
      tool('cmake', 'if [ "$1" = --build ]; then echo "Killed signal terminated program cc1plus"; exit 1; fi');
      return { LIBTORCH: fakeLibTorch() };
    },
  ],
])('names step, cause and remedy of %s', (_, step, said, arrange) => {
  const { status, stderr } = setup(arrange());
  expect(stderr).toMatch(said);
  expect(stderr).toContain(`step:   ${step}\n`);
  expect(status).toBe(1);
  expect(existsSync(path('.libtorch'))).toBe(false);
});
