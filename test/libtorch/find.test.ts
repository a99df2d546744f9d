import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
  delete process.env.EARLYBIRD_ADDON;
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
  const build = (folder: string, id: string) => {
    mkdirSync(path(folder, id), { recursive: true });
    writeFileSync(path(folder, id, 'earlybird.node'), '');
    return path(folder, id, 'earlybird.node');
  };
  const shipped = `prebuilds/${process.platform}-${process.arch}`;
  const find = (fake: Fake = {}) => {
    process.env.LIBTORCH = fakeLibTorch(path('any'), fake);
    return addon.addonPath(libtorch.findLibTorch());
  };

  test('takes the local build before the shipped one, and only an exact match', () => {
    build(shipped, 'torch2.12-cpu');
    const prebuilt = build(shipped, 'torch2.13-cpu');
    expect(find()).toBe(prebuilt);
    expect(find({ version: '2.13.7' })).toBe(prebuilt);
    const local = build('build', 'torch2.13-cpu');
    expect(find()).toBe(local);
  });

  test('can be overridden', () => {
    build('build', 'torch2.13-cpu');
    process.env.EARLYBIRD_ADDON = build('any', 'mine');
    expect(find()).toBe(path('any/mine/earlybird.node'));
  });

  test('explains why what is there does not fit', () => {
    expect(() => find()).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_BUILT',
        message: expect.stringContaining('nothing has been built yet'),
      }),
    );
    build('build', 'torch2.13-cpu');
    const message = expect.stringMatching(
      /2\.14\.1 \(torch2\.14-cu13, by LIBTORCH from .*only builds for torch2\.13-cpu.*npm run setup/,
    );
    expect(() => find({ version: '2.14.1', label: '+cu130', cuda: true })).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_BUILT', message }),
    );
  });

  test('a file that is no addon gives one error with the command that repairs it', () => {
    build('build', 'torch2.13-cpu');
    writeFileSync(path('build/torch2.13-cpu/earlybird_loader.node'), 'no library');
    process.env.LIBTORCH = fakeLibTorch(path('any'));
    expect(() => addon.loadAddon()).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_BUILT', message: expect.stringContaining('npm run setup') }),
    );
  });
});

test('an installed package keeps LibTorch in the cache of the user, and is built by its own script', () => {
  rmSync(path('tsconfig.json'));
  expect(libtorch.libtorchFolder()).toBe(path('cache/earlybird/libtorch'));
  expect(pack.buildCommand()).toBe(`${process.execPath} ${path('scripts/build.mjs')} --native-only`);
  writeFileSync(path('tsconfig.json'), '{}');
  expect(libtorch.libtorchFolder()).toBe(path('.libtorch'));
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
