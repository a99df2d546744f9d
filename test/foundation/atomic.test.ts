/** Files are whole or not there, whatever happens while they are written. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { linkOrCopyAtomic, TEMP_NAME, writeFileAtomic } from '../../src/atomic';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Value } from '../../src/checkpoint/value';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'earlybird-atomic-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));
const file = (name: string) => path.join(folder, name);
const text = (name: string) => fs.readFileSync(file(name), 'utf8');

test('writes text, bytes, lists and streams of chunks', async () => {
  await writeFileAtomic(file('a'), 'text ä');
  await writeFileAtomic(file('b'), Buffer.from('bytes'));
  await writeFileAtomic(file('c'), [Buffer.from('one '), new Uint8Array(0), Buffer.from('two')]);
  await writeFileAtomic(
    file('d'),
    (async function* () {
      for (let i = 0; i < 3000; i++) yield Buffer.alloc(1000, i & 0xff);
    })(),
  );
  expect(['a', 'b', 'c'].map(text)).toEqual(['text ä', 'bytes', 'one two']);
  const bytes = fs.readFileSync(file('d'));
  expect(bytes.length).toBe(3_000_000);
  expect(bytes.every((byte, i) => byte === (Math.floor(i / 1000) & 0xff))).toBe(true);
  expect(fs.readdirSync(folder)).toEqual(['a', 'b', 'c', 'd']);
});

test('a failure or an abort leaves the previous file and nothing else', async () => {
  await writeFileAtomic(file('x'), 'before');
  const failing = (function* () {
    yield Buffer.alloc(3 << 20);
    throw new Error('the source failed');
  })();
  await expect(writeFileAtomic(file('x'), failing)).rejects.toThrow('the source failed');

  const controller = new AbortController();
  const endless = (async function* () {
    for (let i = 0; ; i++) {
      if (i === 3) controller.abort(new Error('stopped'));
      yield Buffer.alloc(1 << 20);
    }
  })();
  await expect(writeFileAtomic(file('x'), endless, { signal: controller.signal })).rejects.toThrow('stopped');
  expect(text('x')).toBe('before');
  expect(fs.readdirSync(folder)).toEqual(['x']);
});

test('a folder that is not there, or in the way, is an ERR_FILE that names the file', async () => {
  await expect(writeFileAtomic(file('no/such/file'), '')).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining('no/such/file'),
  });
  fs.mkdirSync(file('folder'));
  await expect(writeFileAtomic(file('folder'), '')).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(readCheckpoint(file('absent'))).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringContaining('absent'),
  });
  await expect(readCheckpoint(file('folder'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  expect(fs.readdirSync(folder)).toEqual(['folder']);
});

test('a link is a second name until one of the two is replaced', async () => {
  await writeFileAtomic(file('ckpt1'), 'one');
  await linkOrCopyAtomic(file('ckpt1'), file('best'));
  await linkOrCopyAtomic(file('ckpt1'), file('best'));
  expect(text('best')).toBe('one');
  expect(fs.readdirSync(folder)).toEqual(['best', 'ckpt1']);
  await writeFileAtomic(file('ckpt1'), 'two');
  expect(text('best')).toBe('one');
  await linkOrCopyAtomic(file('ckpt1'), file('best'));
  expect(text('best')).toBe('two');
  await expect(linkOrCopyAtomic(file('absent'), file('best'))).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('many writes of one file at once: one of them wins, whole', async () => {
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(100_000));
  await Promise.all(contents.map((content) => writeFileAtomic(file('x'), content)));
  expect(contents).toContain(text('x'));
  expect(fs.readdirSync(folder)).toEqual(['x']);
});

const big = (fill: number): Value =>
  new Map([['w', { dtype: 'uint8', shape: [24 << 20], data: new Uint8Array(24 << 20).fill(fill) }]]);

test('timers keep ticking while a large checkpoint is written', async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await writeCheckpoint(file('x.pth'), big(1));
  clearInterval(timer);
  // 24 chunks of 1 MiB, for the CRC and for the writing: the loop turns after each, whatever the machine's speed.
  expect(ticks).toBeGreaterThan(5);
});

/** Writes checkpoint after checkpoint until it is killed; says when the first is there. Strips types as jest does. */
const WRITER = `
const swc = require('@swc/core');
require.extensions['.ts'] = (module, file) => module._compile(swc.transformFileSync(file, {
  jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }).code, file);
const { writeCheckpoint } = require('./src/checkpoint/pth.ts');
(async () => {
  for (let i = 1; ; i++) {
    const data = new Uint8Array(4 << 20).fill(i);
    await writeCheckpoint(process.argv[1], new Map([['i', i & 255], ['w', { dtype: 'uint8', shape: [4 << 20], data }]]));
    console.log(i);
  }
})();
`;

test('a kill at any instant leaves a whole file, and temporary files that can be told', async () => {
  const name = file('x.pth.tar');
  for (const delay of [0, 7, 23]) {
    const child = spawn(process.execPath, ['-e', WRITER, name], {
      cwd: path.resolve(__dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const { value } = await readCheckpoint(name);
    const { data } = (value as Map<string, { data: Uint8Array }>).get('w')!;
    expect(data.every((byte) => byte === (value as Map<string, Value>).get('i'))).toBe(true);
  }
  const others = fs.readdirSync(folder).filter((other) => other !== 'x.pth.tar');
  for (const other of others) expect(TEMP_NAME.exec(other)?.[1]).toBe('x.pth.tar');
});
