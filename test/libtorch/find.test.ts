import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Fake, fakeLibTorch, isolate } from '../support/fake-libtorch';

const { root, libtorch, addon, config, pack } = isolate();
const path = (...parts: string[]) => join(root, ...parts);
const environment = { ...process.env };

/** A python3 that answers every question with the given line. */
function fakePython(answer: string) {
  mkdirSync(path('bin'), { recursive: true });
  writeFileSync(path('bin/python3'), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
}

beforeEach(() => {
  for (const folder of ['bin', 'any', '.libtorch', 'build', 'prebuilds', 'cache', 'config.json']) {
    rmSync(path(folder), { recursive: true, force: true });
  }
  Object.assign(process.env, {
    PATH: path('bin'),
    EARLYBIRD_CONFIG: path('config.json'),
    XDG_CACHE_HOME: path('cache'),
  });
  delete process.env.LIBTORCH;
  delete process.env.EARLYBIRD_CACHE;
  for (const name of ['EARLYBIRD_ADDON', 'EARLYBIRD_PREBUILD', 'PREBUILDS_ONLY', 'LIBC']) delete process.env[name];
});

afterAll(() => {
  process.env = environment;
  rmSync(root, { recursive: true, force: true });
});

describe('describeLibTorch', () => {
  test.each<[string, Fake, string]>([
    ['the newer header', {}, 'torch2.13-cpu'],
    ['the older header', { version: '2.11.2', header: 'csrc/api/include/torch/version.h' }, 'torch2.11-cpu'],
    ['no header', { version: '2.12.1', header: null }, 'torch2.12-cpu'],
    ['the build-version of an archive', { label: '+cu130', cuda: true, file: 'build-version' }, 'torch2.13-cu13'],
    ['the label of a wheel', { version: '2.14.1', label: '+cu130', cuda: true }, 'torch2.14-cu13'],
    ['the CUDA run time', { label: null, cuda: true, libraries: ['libcudart-0a1b2c3d.so.12'] }, 'torch2.13-cu12'],
  ])('reads version and variant from %s', (_, fake, id) => {
    fakeLibTorch(path('any'), fake);
    expect(libtorch.describeLibTorch(path('any'))).toMatchObject({ id, root: path('any') });
  });

  test.each(['', 'torch', 'libtorch', 'lib/python3.12/site-packages/torch'])('finds it in <folder>/%s', (inside) => {
    fakeLibTorch(path('any', inside));
    expect(libtorch.describeLibTorch(path('any'))?.root).toBe(path('any', inside));
  });

  test('gives null where there is none', () => {
    mkdirSync(path('any/lib'), { recursive: true });
    expect(libtorch.describeLibTorch(path('any'))).toBeNull();
    expect(libtorch.describeLibTorch(path('absent'))).toBeNull();
  });
});

describe('searchLibTorch', () => {
  test('takes LIBTORCH, then the configuration, then .libtorch, then python3', async () => {
    const source = () => libtorch.searchLibTorch().found?.source;
    expect(source()).toBeUndefined();
    fakePython(fakeLibTorch(path('any/python/torch')));
    expect(source()).toBe('python3');
    fakeLibTorch(path('.libtorch/torch'));
    expect(source()).toBe('.libtorch');
    await config.writeConfig({ libtorch: fakeLibTorch(path('any/configured')) });
    expect(source()).toBe('config');
    process.env.LIBTORCH = fakeLibTorch(path('any/named'));
    expect(source()).toBe('LIBTORCH');
  });

  test('uses the cache of the user where the package has none', () => {
    fakeLibTorch(path('cache/earlybird/libtorch/torch'));
    expect(libtorch.findLibTorch()).toMatchObject({ source: '.libtorch', version: '2.13.0' });
  });

  test('does not pass over a place that the user named himself', async () => {
    fakeLibTorch(path('.libtorch/torch'));
    process.env.LIBTORCH = path('nowhere');
    expect(() => libtorch.findLibTorch()).toThrow(
      expect.objectContaining({ code: 'ERR_LIBTORCH', message: expect.stringContaining(path('nowhere')) }),
    );
    delete process.env.LIBTORCH;
    await config.writeConfig({ libtorch: path('nowhere') });
    expect(() => libtorch.findLibTorch()).toThrow(/config\.json names .*nowhere.*libtorch use/);
  });

  test('says what it looked at when there is none', () => {
    const detail = expect.stringMatching(/LIBTORCH: .*\n.*config: .*\n.*\.libtorch: .*\n.*python3: /);
    expect(() => libtorch.findLibTorch()).toThrow(expect.objectContaining({ code: 'ERR_LIBTORCH', detail }));
    expect(() => libtorch.findLibTorch()).toThrow(/earlybird libtorch fetch/);
  });

  test('survives a broken configuration file with its name', () => {
    writeFileSync(path('config.json'), '{"libtorch": 3}');
    expect(() => libtorch.findLibTorch()).toThrow(
      expect.objectContaining({ code: 'ERR_FILE', message: expect.stringContaining(path('config.json')) }),
    );
  });

  test.each([
    ['2.10.1', false],
    ['2.11.0', true],
    ['2.14.9', true],
    ['2.15.0', false],
    ['3.0.0', false],
  ])('version %s is supported: %s', (version, supported) => {
    const found = libtorch.describeLibTorch(fakeLibTorch(path('any'), { version }))!;
    expect(libtorch.unsupported(found) === null).toBe(supported);
  });
});

describe('addonPath', () => {
  const file = (...parts: string[]) => {
    mkdirSync(dirname(path(...parts)), { recursive: true });
    writeFileSync(path(...parts), '');
    return path(...parts);
  };
  const build = (id: string) => file('build', id, 'build/Release/earlybird.node');
  const system = `${process.platform}-${process.arch}`;
  const ship = (id: string, name = 'earlybird.glibc.node', on = system) => file('prebuilds', id, 'prebuilds', on, name);
  const find = (fake: Fake = {}) => {
    process.env.LIBTORCH = fakeLibTorch(path('any'), fake);
    return addon.addonPath(libtorch.findLibTorch());
  };

  test('takes the local build before the shipped one, and only an exact match', () => {
    ship('torch2.12-cpu');
    const prebuilt = ship('torch2.13-cpu');
    expect(find()).toBe(prebuilt);
    expect(find({ version: '2.13.7' })).toBe(prebuilt);
    const local = build('torch2.13-cpu');
    expect(find()).toBe(local);
  });

  test('among shipped files, takes the one for this system, whatever else is in the folder', () => {
    ship('torch2.13-cpu', 'earlybird.musl.node');
    ship('torch2.13-cpu', 'earlybird.abi1.node');
    ship('torch2.13-cpu', 'electron.napi.node');
    ship('torch2.13-cpu', 'earlybird_loader.so');
    ship('torch2.13-cpu', 'manifest.json');
    ship('torch2.13-cpu', 'earlybird.glibc.node', `${process.platform}-none`);
    expect(() => find()).toThrow(/for other systems: .*earlybird\.musl\.node/);
    const napi = ship('torch2.13-cpu', 'node.napi.node');
    expect(find()).toBe(napi);
    const mine = ship('torch2.13-cpu', 'node.napi.glibc.node');
    expect(find()).toBe(mine);
  });

  test('a file or a folder can be named instead', () => {
    build('torch2.13-cpu');
    const folder = path('any/folder');
    process.env.EARLYBIRD_PREBUILD = folder;
    expect(() => find()).toThrow(expect.objectContaining({ detail: expect.stringContaining(folder) }));
    const named = file('any/folder/prebuilds', system, 'earlybird.node');
    expect(find()).toBe(named);
    process.env.EARLYBIRD_ADDON = path('any/mine/earlybird.node');
    expect(find()).toBe(path('any/mine/earlybird.node'));
  });

  test("node-gyp-build's own variables count", () => {
    build('torch2.13-cpu');
    const prebuilt = ship('torch2.13-cpu', 'earlybird.musl.node');
    process.env.LIBTORCH = fakeLibTorch(path('any'));
    Object.assign(process.env, { PREBUILDS_ONLY: '1', LIBC: 'musl' });
    // The module reads them when it is loaded.
    jest.isolateModules(() => {
      const again = require(path('src/native/addon.ts')) as typeof addon;
      expect(again.addonPath(libtorch.findLibTorch())).toBe(prebuilt);
    });
  });

  test('explains why what is there does not fit', () => {
    expect(() => find()).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_BUILT',
        message: expect.stringContaining('nothing has been built yet'),
        detail: expect.stringContaining(`platform=${process.platform} arch=${process.arch}`),
      }),
    );
    build('torch2.13-cpu');
    ship('torch2.12-cpu');
    ship('torch2.11-cpu', 'earlybird.glibc.node', 'linux-none');
    expect(() => find({ version: '2.11.0' })).toThrow(
      /for other systems: linux-none.earlybird\.glibc\.node\. Run `npm/,
    );
    const message = expect.stringMatching(
      /2\.14\.1 \(torch2\.14-cu13, by LIBTORCH from .*only builds for torch2\.13-cpu, torch2\.12-cpu\. Run `npm run setup/,
    );
    expect(() => find({ version: '2.14.1', label: '+cu130', cuda: true })).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_BUILT', message }),
    );
  });

  test.each([
    ['the loader', 'earlybird_loader.so'],
    ['an addon without its loader', 'other.so'],
  ])('%s that cannot be opened gives one error with the command that repairs it', (_, name) => {
    build('torch2.13-cpu');
    writeFileSync(path('build/torch2.13-cpu/build/Release', name), 'no library');
    process.env.LIBTORCH = fakeLibTorch(path('any'));
    const message = expect.stringMatching(
      /earlybird_loader\.so cannot be loaded with LibTorch 2\.13\.0.*npm run setup/,
    );
    expect(() => addon.loadAddon()).toThrow(expect.objectContaining({ code: 'ERR_NOT_BUILT', message }));
  });
});

test('an installed package keeps LibTorch in the cache of the user, and is built by its own script', () => {
  rmSync(path('tsconfig.json'));
  expect(libtorch.libtorchFolder()).toBe(path('cache/earlybird/libtorch'));
  expect(pack.buildCommand()).toBe(`${process.execPath} ${path('scripts/build.mjs')} --native-only`);
  expect(pack.buildCommand('--cuda ON')).toMatch(/build\.mjs --native-only --cuda ON$/);
  writeFileSync(path('tsconfig.json'), '{}');
  expect(libtorch.libtorchFolder()).toBe(path('.libtorch'));
});

test('the remedy for a CPU build on a machine with a GPU fetches a CUDA build, and builds the addon for it', () => {
  expect(pack.cudaRemedy()).toMatch(/earlybird libtorch fetch --variant cuda`, then `npm run setup` with an nvcc/);
  expect(pack.buildCommand('--cuda ON')).toBe('npm run setup -- --cuda ON');
});

describe('checkVersions', () => {
  test('accepts another patch release', () => {
    expect(() => addon.checkVersions({ builtAgainst: '2.13.0', loaded: '2.13.1' }, 'x.node')).not.toThrow();
  });

  test('refuses another minor release, naming both', () => {
    const message = expect.stringMatching(/x\.node.*2\.13\.0.*2\.14\.1.*npm run setup/);
    const check = () => addon.checkVersions({ builtAgainst: '2.13.0', loaded: '2.14.1' }, 'x.node');
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_LIBTORCH', message }));
  });
});
