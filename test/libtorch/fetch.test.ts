import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { crc32 } from 'node:zlib';
import { fakeLibTorch, isolate } from '../support/fake-libtorch';

const { root, fetch, libtorch } = isolate();
const path = (...parts: string[]) => join(root, ...parts);
const environment = { ...process.env };

beforeEach(() => {
  for (const name of readdirSync(root))
    if (!['src', 'scripts', 'node_modules', 'tsconfig.json'].includes(name)) rmSync(path(name), { recursive: true });
  delete process.env.LIBTORCH;
  delete process.env.EARLYBIRD_CACHE;
  Object.assign(process.env, {
    PATH: path('bin'),
    EARLYBIRD_CONFIG: path('config.json'),
    XDG_CACHE_HOME: path('cache'),
  });
});

afterAll(() => {
  process.env = environment;
  rmSync(root, { recursive: true, force: true });
});

interface Packed {
  name: string;
  bytes: Buffer;
  /** Unix file type and permissions. */
  mode?: number;
  /** Length that the archive states for the file. */
  size?: number;
}

/** A zip archive of a folder. */
function zip(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return zipOf(files.map((file) => ({ name: relative(folder, file), bytes: readFileSync(file) })));
}

/** A zip archive with nothing compressed. */
function zipOf(files: Packed[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name: text, bytes, mode = 0o100755, size = bytes.length } of files) {
    const name = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(bytes), 10);
    fields.writeUInt32LE(size, 14);
    fields.writeUInt32LE(size, 18);
    fields.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from('PK\x03\x04'), fields, name, bytes);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03'), fields, tail, name);
    offset += 4 + 26 + name.length + bytes.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}

/** An archive as PyTorch publishes it, and its hash. */
function archive() {
  fakeLibTorch(path('made/libtorch'), { file: 'build-version' });
  const bytes = zip(path('made'));
  writeFileSync(path('libtorch.zip'), bytes);
  return { file: path('libtorch.zip'), bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

describe('from an archive', () => {
  test('a file is unpacked into .libtorch and found there', async () => {
    const { file, sha256 } = archive();
    await expect(fetch.fetchFromArchive({ from: file, sha256 })).resolves.toMatchObject({ id: 'torch2.13-cpu' });
    expect(libtorch.findLibTorch()).toMatchObject({ source: '.libtorch', root: path('.libtorch/libtorch') });
    expect(existsSync(path('.libtorch.new'))).toBe(false);
  });

  test('an address is fetched, and no copy of the archive stays', async () => {
    const { bytes, sha256 } = archive();
    const server = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/libtorch.zip`;
    await expect(fetch.fetchFromArchive({ from, sha256 })).resolves.toMatchObject({ version: '2.13.0' });
    server.close();
    expect(existsSync(path('.libtorch.download'))).toBe(false);
  });

  test('a folder is copied', async () => {
    fakeLibTorch(path('made/torch'), { version: '2.14.1', label: '+cu130', cuda: true });
    await expect(fetch.fetchFromArchive({ from: path('made') })).resolves.toMatchObject({ id: 'torch2.14-cu13' });
    expect(readFileSync(path('made/torch/version.py'), 'utf8')).toContain('2.14.1');
  });

  test.each<[string, string, string, (file: string) => string | undefined]>([
    ['a file that is not there', 'ERR_FILE', 'does not exist', (file) => void rmSync(file)],
    ['a file with another hash', 'ERR_FILE', 'damaged or another file', () => 'ab'.repeat(32)],
    ['half an archive', 'ERR_FILE', 'cannot be unpacked', (file) => void writeFileSync(file, 'PK')],
    [
      'an archive of something else',
      'ERR_LIBTORCH',
      'not a LibTorch for Linux',
      (file) => {
        mkdirSync(path('other'));
        writeFileSync(path('other/readme'), 'hello');
        writeFileSync(file, zip(path('other')));
        return undefined;
      },
    ],
  ])('%s leaves what is there as it is', async (_, code, message, spoil) => {
    fakeLibTorch(path('.libtorch/torch'), { version: '2.12.0' });
    const { file } = archive();
    const sha256 = spoil(file);
    const error = expect.objectContaining({ code, message: expect.stringContaining(message) });
    await expect(fetch.fetchFromArchive({ from: file, sha256 })).rejects.toEqual(error);
    expect(libtorch.findLibTorch()).toMatchObject({ version: '2.12.0' });
    expect(existsSync(path('.libtorch.new'))).toBe(false);
  });
});

describe('an archive from a stranger', () => {
  const [link, pipe] = [0o120777, 0o010644];
  /** Archives with these entries behind those of a LibTorch. */
  function spoiled(...more: Packed[]): string {
    fakeLibTorch(path('made/libtorch'), { file: 'build-version' });
    const files = readdirSync(path('made'), { recursive: true, encoding: 'utf8' });
    const whole = files.filter((name) => statSync(path('made', name)).isFile());
    const entries = whole.map((name) => ({ name, bytes: readFileSync(path('made', name)) }));
    writeFileSync(path('libtorch.zip'), zipOf([...entries, ...more]));
    return path('libtorch.zip');
  }
  const text = (name: string, more: Partial<Packed> = {}): Packed => ({ name, bytes: Buffer.from('in'), ...more });

  test.each<[string, Packed[], string]>([
    ['a name that leads out', [text('../out')], 'cannot be unpacked'],
    ['an absolute name', [text('/tmp/earlybird-out')], 'cannot be unpacked'],
    ['a name with the other slash', [text('..\\out')], 'cannot be unpacked'],
    ['a link that leads out', [text('a', { bytes: Buffer.from('../..'), mode: link })], 'leads out of its folder'],
    ['an absolute link', [text('a', { bytes: Buffer.from('/etc'), mode: link })], 'leads out of its folder'],
    ['a link to its own folder', [text('a', { bytes: Buffer.from('..'), mode: link })], 'leads out of its folder'],
    ['a link of impossible length', [text('a', { bytes: Buffer.alloc(5000, 97), mode: link })], 'leads out of'],
    ['a file behind a link', [text('a', { bytes: Buffer.from('b'), mode: link }), text('a/x')], 'ERR_FILE'],
    ['two files of one name', [text('a'), text('a')], 'ERR_FILE'],
    ['what is no file', [text('a', { mode: pipe })], 'neither a file nor a folder'],
    ['more bytes than there are', Array.from({ length: 9 }, (_, i) => text(`${i}`, { size: 4e9 })), ''],
  ])('with %s writes nothing outside and changes nothing', async (_, entries, message) => {
    fakeLibTorch(path('.libtorch/torch'), { version: '2.12.0' });
    const from = spoiled(...entries);
    const before = readdirSync(root).sort();
    const failure = await fetch.fetchFromArchive({ from }).catch((error) => error);
    expect(`${failure.code} ${failure.message}`).toMatch(/^ERR_FILE /);
    expect(`${failure.code} ${failure.message}`).toContain(message);
    expect(libtorch.findLibTorch()).toMatchObject({ version: '2.12.0' });
    expect(readdirSync(root).sort()).toEqual(before);
    expect(existsSync('/tmp/earlybird-out')).toBe(false);
  });

  test('may hold links from one library to its neighbour', async () => {
    const from = spoiled(
      text('libtorch/lib/libx.so.1'),
      text('libtorch/lib/libx.so', { bytes: Buffer.from('libx.so.1'), mode: link }),
    );
    await fetch.fetchFromArchive({ from });
    expect(readlinkSync(path('.libtorch/libtorch/lib/libx.so'))).toBe('libx.so.1');
    expect(readFileSync(path('.libtorch/libtorch/lib/libx.so'), 'utf8')).toBe('in');
  });
});

describe('by pip', () => {
  /** A python3 whose pip notes its arguments and runs a line of shell in the target folder. */
  function fakePip(line: string): void {
    mkdirSync(path('bin'));
    writeFileSync(
      path('bin/python3'),
      `#!/bin/sh
case "$*" in *install*) ;; *) exit 0;; esac
echo "$@" >>${path('pip.log')}
while [ "$1" != --target ]; do shift; done
cd "$2" && ${line}
`,
    );
    chmodSync(path('bin/python3'), 0o755);
  }
  const log = () => readFileSync(path('pip.log'), 'utf8').trim().split('\n');
  const wheel = (variant: string, more = 'true') =>
    `/bin/mkdir -p torch/lib && : >torch/lib/libtorch_cpu.so && echo "__version__ = '2.13.0+${variant}'" >torch/version.py && ${more}`;

  test('installs the pinned CPU wheel alone, and passes the index on', async () => {
    fakePip(wheel('cpu'));
    await fetch.fetchByPip({ variant: 'cpu', indexUrl: 'file:///index' });
    expect(log()).toHaveLength(1);
    const version = `torch==${fetch.pinnedVersion('cpu')}${process.arch === 'x64' ? '\\+cpu' : ''}$`;
    expect(log()[0]).toMatch(new RegExp(`--index-url file:///index --no-deps ${version}`));
    expect(libtorch.findLibTorch()).toMatchObject({ source: '.libtorch', variant: 'cpu' });
  });

  test('brings the libraries of NVIDIA that a CUDA wheel asks for, and nothing else', async () => {
    const metadata = [
      'Requires-Dist: sympy>=1.13.3',
      'Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"',
      'Requires-Dist: nvidia-cudnn-cu13==9.24.0.43; platform_system == "Linux"',
    ].join('\\n');
    fakePip(
      wheel(
        'cu130',
        `: >torch/lib/libtorch_cuda.so && /bin/mkdir -p torch-2.dist-info && printf '${metadata}\\n' >torch-2.dist-info/METADATA`,
      ),
    );
    await expect(fetch.fetchByPip({ variant: 'cuda' })).resolves.toMatchObject({ variant: 'cu13' });
    expect(log()).toHaveLength(2);
    expect(log()[1]).toMatch(/cuda-toolkit\[cublas,cudart\]==13\.0\.3 nvidia-cudnn-cu13==9\.24\.0\.43$/);
  });

  test.each(['[Errno 28] No space left on device', '[Errno 122] Disk quota exceeded'])(
    'a full disk is no fault of the network: %s',
    async (said) => {
      fakePip(`echo "ERROR: Could not install packages due to an OSError: ${said}" >&2; exit 1`);
      const message = expect.stringMatching(/the disk is full.*free some space/);
      await expect(fetch.fetchByPip({ variant: 'cpu' })).rejects.toEqual(
        expect.objectContaining({ code: 'ERR_FILE', message, detail: expect.stringContaining(said) }),
      );
    },
  );

  test('a failure keeps what pip said, and no password', async () => {
    fakePip('echo "ERROR: connection refused" >&2; exit 1');
    const error = expect.objectContaining({
      code: 'ERR_DOWNLOAD',
      message: expect.stringContaining('from the index https://index.invalid/simple: check'),
      detail: expect.stringContaining('connection refused'),
    });
    const indexUrl = 'https://ann:secret@index.invalid/simple';
    await expect(fetch.fetchByPip({ variant: 'cpu', indexUrl })).rejects.toEqual(error);
    expect(existsSync(path('.libtorch'))).toBe(false);
  });
});
