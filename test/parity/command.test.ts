import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const fixtures = join(__dirname, '../fixtures/reference');

function parity(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(__dirname, 'main.js'), ...args], {
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  return { status, lines, last: lines.at(-1), stderr };
}

describe('npm run parity', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'earlybird-parity-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('prints one line a case and the tally last', () => {
    const { status, lines, last } = parity(fixtures, '--only', 'generator seed');
    const { samples } = JSON.parse(readFileSync(join(fixtures, 'generator.json'), 'utf8'));
    expect(status).toBe(0);
    expect(lines).toHaveLength(samples.length + 1);
    expect(lines[0]).toMatch(/^ok {3}generator seed 0 ordinal 0 index 0 {2}\d+ exact$/);
    expect(last).toBe(`${samples.length} passed, 0 failed, 0 skipped`);
  });

  test('a low-precision network of other sizes and batches is checked by what its file says', () => {
    // Evaluated with NumPy: 8-6-4 in batches of 3.
    const { status, lines } = parity(join(fixtures, '../optimlp-other-sizes'), '--only', 'optimlp');
    expect(status).toBe(0);
    expect(lines[0]).toMatch(/^ok {3}optimlp two-layer network of 8-6-4 in batches of 3 {2}21 exact$/);
  });

  test('a folder of number formats is known by its files, and a code that differs fails its case', () => {
    const name = 'mxfp4.json';
    const text = readFileSync(join(fixtures, '../mx', name), 'utf8');
    writeFileSync(join(dir, name), text);
    const good = parity(dir, '--only', 'mx mxfp4');
    expect(good.status).toBe(0);
    expect(good.lines[0]).toMatch(/^ok {3}mx mxfp4 floor\/even {2}\d+ exact$/);
    const golden = JSON.parse(text);
    const { codes } = golden.quantised['rceil/even'];
    codes[0] = `${codes[0][0]}${codes[0][1] === '1' ? '2' : '1'}${codes[0].slice(2)}`;
    writeFileSync(join(dir, name), JSON.stringify(golden));
    const bad = parity(dir);
    expect(bad.status).toBe(1);
    expect(bad.lines.filter((line) => line.startsWith('FAIL'))).toHaveLength(1);
    expect(bad.lines).toContain(`skip mx conv: conv.json is not in ${dir}`);
  });

  test('a value that differs fails its case, and the command', () => {
    const text = readFileSync(join(fixtures, 'generator.json'), 'utf8');
    writeFileSync(join(dir, 'generator.json'), text.replace('"k24": 10946269', '"k24": 10946270'));
    const { status, lines, last } = parity(dir, '--only', 'generator');
    expect(status).toBe(1);
    expect(lines[0]).toBe('FAIL generator seed 0 ordinal 0 index 0  k24: got 10946269, expected 10946270');
    expect(last).toMatch(/^\d+ passed, 1 failed, 0 skipped$/);
  });

  test('a file that cannot be read fails alone', () => {
    cpSync(join(fixtures, 'generator.json'), join(dir, 'generator.json'));
    writeFileSync(join(dir, 'detector.json'), '{"threshold": 0.1,');
    const { status, lines, last } = parity(dir);
    expect(status).toBe(1);
    expect(lines.some((line) => line.startsWith('FAIL detector detector.json  '))).toBe(true);
    expect(last).toMatch(/^\d+ passed, 1 failed, \d+ skipped$/);
  });

  test('files that are absent are skipped by name', () => {
    mkdirSync(join(dir, 'empty'));
    const { status, lines, last } = parity(join(dir, 'empty'));
    expect(status).toBe(2);
    expect(lines).toContain(`skip forward: forward.json is not in ${join(dir, 'empty')}`);
    expect(last).toMatch(/^0 passed, 0 failed, \d+ skipped$/);
  });

  test.each([[[]], [['no-such-folder']], [[fixtures, '--onyl', 'masks']]])('wrong use %j exits with 2', (args) => {
    const { status, stderr } = parity(...args);
    expect(status).toBe(2);
    expect(stderr).toContain('usage: npm run parity -- DIR [--only TEXT]');
  });

  test('nothing to check is not a success', () => {
    const { status, last } = parity(fixtures, '--only', 'no such case');
    expect(status).toBe(2);
    expect(last).toBe('0 passed, 0 failed, 0 skipped');
  });
});
