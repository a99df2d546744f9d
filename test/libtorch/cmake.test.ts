/** cmake/FindLibTorch.cmake finds and names a LibTorch as src/libtorch/find.ts does: the addon is looked for under that name. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeLibTorch } from '../../src/libtorch/find';
import { type Fake, fakeLibTorch } from '../support/fake-libtorch';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'earlybird-cmake-')));
const path = (...parts: string[]) => join(root, ...parts);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The commands do nothing here, since a script may not make targets. */
const SCRIPT = `
list(PREPEND CMAKE_MODULE_PATH ${join(__dirname, '..', '..', 'cmake')})
foreach(command add_library target_include_directories target_compile_features target_compile_definitions target_link_libraries)
  cmake_language(EVAL CODE "function(\${command})\\nendfunction()")
endforeach()
find_package(LibTorch 2.11 REQUIRED)
message("found \${LibTorch_ID} \${LIBTORCH_ROOT}")
`;

function find(env: NodeJS.ProcessEnv = {}, ...definitions: string[]): string {
  writeFileSync(path('find.cmake'), SCRIPT);
  const args = [...definitions, '-P', path('find.cmake')];
  const { PATH } = process.env;
  const { stderr } = spawnSync('cmake', args, { cwd: root, encoding: 'utf8', env: { PATH, ...env } });
  return /^found (.*)$/m.exec(stderr)?.[1] ?? stderr;
}

const C10 = 'libc10.so';

test.each<[string, Fake]>([
  ['the newer header', {}],
  ['the older header', { version: '2.11.2', header: 'csrc/api/include/torch/version.h' }],
  ['the build-version of an archive', { label: '+cu130', cuda: true, file: 'build-version' }],
  ['the label of a wheel', { version: '2.14.1', label: '+cu130', cuda: true }],
  ['the CUDA run time', { label: null, cuda: true, libraries: ['libcudart-0a1b2c3d.so.12'] }],
])('reads version and variant from %s', (_, fake) => {
  const folder = fakeLibTorch(path('torch'), { ...fake, libraries: [C10, ...(fake.libraries ?? [])] });
  expect(find({}, `-DLIBTORCH_ROOT=${folder}`)).toBe(`${describeLibTorch(folder)!.id} ${folder}`);
  rmSync(folder, { recursive: true });
});

test('reads the CUDA version that a build without a label has in version.py', () => {
  const folder = fakeLibTorch(path('torch'), { label: '', cuda: true, libraries: [C10] });
  writeFileSync(join(folder, 'version.py'), "__version__ = '2.13.0'\ncuda: Optional[str] = '12.9'\n");
  expect(describeLibTorch(folder)!.id).toBe('torch2.13-cu12');
  expect(find({}, `-DLIBTORCH_ROOT=${folder}`)).toBe(`torch2.13-cu12 ${folder}`);
  rmSync(folder, { recursive: true });
});

test('looks for nvcc again after a configure that found none', () => {
  const cmake = join(__dirname, '..', '..', 'cmake', 'CheckCudaPlugin.cmake');
  writeFileSync(
    path('CMakeLists.txt'),
    `cmake_minimum_required(VERSION 3.18)
project(probe NONE)
set(CMAKE_CURRENT_SOURCE_DIR ${join(__dirname, '..', '..')})
set(EB_CUDA AUTO)
add_library(LibTorch::cuda INTERFACE IMPORTED)
include(${cmake})
message(STATUS "why: \${eb_cuda_why}")
`,
  );
  const env = { PATH: process.env.PATH, CUDACXX: path('nvcc') };
  const configure = () => spawnSync('cmake', ['-B', path('probe')], { cwd: root, encoding: 'utf8', env }).stdout;
  for (const time of ['first', 'second'])
    expect(`${time}: ${configure()}`).toMatch(/Looking for a CUDA compiler[\s\S]*why: no working nvcc was found/);
});

test('takes LIBTORCH, then .libtorch, in all forms, and says what to do when there is none', () => {
  expect(find()).toMatch(/Set LIBTORCH to a folder/);
  fakeLibTorch(path('.libtorch/torch'), { libraries: [C10] });
  expect(find()).toBe(`torch2.13-cpu ${path('.libtorch/torch')}`);
  for (const inside of ['', 'torch', 'libtorch', 'lib/python3.12/site-packages/torch']) {
    const folder = fakeLibTorch(path('any', inside), { version: '2.12.0', libraries: [C10] });
    expect(find({ LIBTORCH: path('any') })).toBe(`torch2.12-cpu ${folder}`);
    rmSync(path('any'), { recursive: true });
  }
  mkdirSync(path('any'));
  expect(find({ LIBTORCH: path('any') })).toMatch(/Set LIBTORCH to a folder/);
});
