/** Messages where the JPEG decoder does not open, or finds another libjpeg than it was built for. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { findLibTorch } from '../../src/libtorch/find';
import { addonPath } from '../../src/native/addon';
import { jpegPaths, loadJpeg, requireJpeg, whyNoJpeg } from '../../src/native/jpeg';
import { addon } from '../support/small-handles';
import { createStream, FIXTURES } from '../support/streams';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-jpeg-'));
const sources = resolve(__dirname, '../../cpp/jpeg');
const paths = jpegPaths(addonPath(findLibTorch()));
afterAll(() => {
  loadJpeg(addon, paths);
  rmSync(folder, { recursive: true, force: true });
});

/** Compiles a shared library. */
function compile(name: string, source: string, ...flags: string[]): string {
  const file = join(folder, name);
  writeFileSync(`${file}.c`, source);
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', file, `${file}.c`, ...flags], {
    encoding: 'utf8',
  });
  expect([status, status === 0 ? '' : stderr]).toEqual([0, '']);
  return file;
}

const none = { runtime: () => ({ ...addon.runtime(), jpeg: '' }) };
const refused = (message: RegExp, detail: unknown) =>
  expect(() => requireJpeg(none)).toThrow(
    expect.objectContaining({ code: 'ERR_NOT_BUILT', message: expect.stringMatching(message), detail }),
  );

test('a libjpeg that is not on this machine is named', () => {
  const soname = '-Wl,-soname,libjpeg.so.977';
  const library = compile('libjpeg.so', 'int there = 1;', soname);
  const plugin = compile('needs.so', 'extern int there; int* use(void) { return &there; }', library);
  loadJpeg(addon, [join(folder, 'none.so'), plugin]);
  refused(
    /^JPEG files cannot be read, because libjpeg\.so\.977 is not on this machine: .*\.$/,
    expect.stringContaining(`${plugin} does not load`),
  );
  cpSync(FIXTURES, join(folder, 'other.so'), { recursive: true });
  loadJpeg(addon, [join(folder, 'other.so')]);
  expect(whyNoJpeg()).toMatch(/^The JPEG decoder .*other\.so does not load/);
  loadJpeg(addon, [compile('old.so', 'int nothing;')]);
  expect(whyNoJpeg()).toMatch(/old\.so is of another version than the addon$/);
  loadJpeg(addon, []);
  refused(/libjpeg-turbo was not found when earlybird was built/, undefined);
  loadJpeg(addon, paths);
  expect(() => requireJpeg(addon)).not.toThrow();
});

test('a decoder built for another libjpeg says so', async () => {
  const other = [
    '#include <stdio.h>',
    '#include <jpeglib.h>',
    '#undef JPEG_LIB_VERSION',
    '#define JPEG_LIB_VERSION 42',
    '#define LIBJPEG_TURBO_VERSION 0.0',
    ...['jpeg_plugin.c', 'packed.c', 'ppm.c'].map((name) => `#include "${join(sources, name)}"`),
  ].join('\n');
  loadJpeg(addon, [compile('abi.so', other, '-ljpeg', '-w')]);
  await expect(createStream([join(FIXTURES, '420.jpg')])).rejects.toMatchObject({
    code: 'ERR_NOT_BUILT',
    message: expect.stringMatching(/another libjpeg than the one it finds \(Wrong JPEG library version: .*42\): run/),
  });
  loadJpeg(addon, paths);
});

test('the decoder lies beside the addon or where a bundle carries it', () => {
  expect(paths[0]).toBe(join(dirname(addonPath(findLibTorch())), 'earlybird_jpeg.so'));
});
