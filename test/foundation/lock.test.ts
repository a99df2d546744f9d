/** One folder has one writer: tested with real processes that live, end, are killed, and race. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../../src/folder';
import { lockFolder } from '../../src/lock';

const built = join(__dirname, '..', '..', 'dist', 'lock.js');
let base: string;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'eb-lock-'));
  folder = join(base, 'run');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true });
});

const lockFile = () => join(folder, '.earlybird.lock');

/**
 * A process that takes the lock at `at` (ms since 1970), says "held" or the error's code, and keeps it until it is told
 * to end. On Linux its first look at a lock is as early as that of others, so that takeovers meet.
 */
function holder(at = 0): { child: ChildProcess; said: Promise<string> } {
  const script = `
    const { lockFolder } = require(${JSON.stringify(built)});
    setTimeout(() => lockFolder(${JSON.stringify(folder)}).then(
      (lock) => {
        process.stdout.write('held');
        process.stdin.on('data', (word) => {
          if (String(word) === 'end') { lock[Symbol.dispose](); process.exit(0); }
          if (String(word) === 'exit') process.exit(3);
          throw new Error('asked for');
        });
      },
      (error) => { process.stdout.write(error.code); process.exit(1); },
    ), Math.max(0, ${at} - Date.now()));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'ignore'] });
  children.push(child);
  return { child, said: once(child.stdout!, 'data').then(([word]) => String(word)) };
}

test('a living process refuses others in one sentence that names it, before anything is touched', async () => {
  const { child, said } = holder();
  expect(await said).toBe('held');
  const before = readdirSync(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(lockFolder(folder)).rejects.toThrow(
    new RegExp(
      `^${folder} is in use by process ${child.pid} on ${hostname()} since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC; wait for it, or end it\\.$`,
    ),
  );
  expect(readdirSync(folder)).toEqual(before);
});

test('a second lock of the same process is refused too', async () => {
  using _lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(`is in use by this process (${process.pid})`);
});

test.each(['end', 'exit', 'throw'])('a process that ends by "%s" leaves no lock and no empty folder', async (word) => {
  const { child, said } = holder();
  await said;
  child.stdin!.write(word);
  await once(child, 'exit');
  expect(existsSync(folder)).toBe(false);
});

test('the lock of a killed process is taken over, also while it is a zombie', async () => {
  const { child, said } = holder();
  await said;
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(existsSync(lockFile())).toBe(true);
  {
    using _lock = await lockFolder(folder);
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
  }
  expect(readdirSync(folder)).toEqual([]);
});

/** The lock that this process makes, with other entries. */
async function forged(changes: object): Promise<string> {
  const lock = await lockFolder(folder);
  const text = JSON.stringify({ ...JSON.parse(readFileSync(lockFile(), 'utf8')), ...changes });
  lock[Symbol.dispose]();
  mkdirSync(folder, { recursive: true });
  writeFileSync(lockFile(), text);
  return text;
}

test('a number that another process has now is not mistaken for its former owner', async () => {
  await forged({ start: '1' });
  (await lockFolder(folder))[Symbol.dispose]();
});

test('a lock from before the machine was started anew is taken over', async () => {
  await forged({ boot: 'another' });
  (await lockFolder(folder))[Symbol.dispose]();
});

test.each([
  ['another host', { host: 'elsewhere', pid: 4_000_000 }, 'process 4000000 on elsewhere'],
  ['another container of this host', { namespace: 'pid:[1]', pid: 4_000_000 }, `process 4000000 on ${hostname()}`],
])('a process of %s cannot be judged and counts', async (_name, changes, who) => {
  const text = await forged(changes);
  await expect(lockFolder(folder)).rejects.toThrow(`is in use by ${who} since`);
  await expect(lockFolder(folder)).rejects.toThrow(
    `cannot be seen from here: wait for it, or remove ${lockFile()} if it has ended, or if this folder is a copy of the one that it uses.`,
  );
  expect(readFileSync(lockFile(), 'utf8')).toBe(text);
});

test.each(['', 'half a li', '{}', '{"pid":-1,"host":"x"}', 'null'])(
  'a lock that names nobody, "%s", holds nothing',
  async (text) => {
    mkdirSync(folder);
    writeFileSync(lockFile(), text);
    (await lockFolder(folder))[Symbol.dispose]();
    expect(readdirSync(folder)).toEqual([]);
  },
);

test('of eight processes that start at once exactly one gets a new folder', async () => {
  const at = Date.now() + 2500;
  const words = await Promise.all(Array.from({ length: 8 }, () => holder(at).said));
  expect(words.sort()).toEqual([...Array(7).fill('ERR_BUSY'), 'held']);
}, 30_000);

test.each([1, 2, 3])(
  'of eight processes exactly one takes a dead lock over, round %i',
  async () => {
    await forged({ start: '1' });
    const at = Date.now() + 2500;
    const words = await Promise.all(Array.from({ length: 8 }, () => holder(at).said));
    expect(words.sort()).toEqual([...Array(7).fill('ERR_BUSY'), 'held']);
    expect(readdirSync(folder)).toEqual(['.earlybird.lock']);
  },
  30_000,
);

test('a lock that the user has removed and another process taken is left to that one', async () => {
  const lock = await lockFolder(folder);
  rmSync(lockFile());
  const { said } = holder();
  expect(await said).toBe('held');
  lock[Symbol.dispose]();
  expect(existsSync(lockFile())).toBe(true);
});

test('a folder that was there stays, and so does one that is filled', async () => {
  mkdirSync(folder);
  (await lockFolder(folder))[Symbol.dispose]();
  expect(existsSync(folder)).toBe(true);
  const inner = join(folder, 'a', 'b');
  const lock = await lockFolder(inner);
  writeFileSync(join(inner, 'x'), '');
  lock[Symbol.dispose]();
  expect(existsSync(inner)).toBe(true);
});

test('waiting for another process ends with the lock or with its name', async () => {
  const { child, said } = holder();
  await said;
  await expect(lockFolder(folder, { wait: 200 })).rejects.toMatchObject({ code: 'ERR_BUSY' });
  setTimeout(() => child.stdin!.write('end'), 200);
  (await lockFolder(folder, { wait: 20_000 }))[Symbol.dispose]();
});

test('makeFolder says which it made, and why it cannot', async () => {
  expect(await makeFolder(join(base, 'a', 'b'))).toEqual([join(base, 'a'), join(base, 'a', 'b')]);
  expect(await makeFolder(join(base, 'a', 'b'))).toEqual([]);
  writeFileSync(join(base, 'file'), '');
  await expect(makeFolder(join(base, 'file'))).rejects.toThrow(
    `${join(base, 'file')} cannot be created: ${join(base, 'file')} is a file`,
  );
  await expect(makeFolder(join(base, 'file', 'x', 'y'))).rejects.toThrow('a part of its path is not a folder');
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a file system that takes no folders is named at once', async () => {
  await expect(makeFolder('/proc/x/y')).rejects.toThrow('/proc/x/y cannot be created: /proc takes no folders');
});
