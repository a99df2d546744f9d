/** Files made to hurt: each must be refused in one sentence before it costs memory or time. */
import * as zlib from 'node:zlib';
import { stateDictOf } from '../../src/checkpoint/keys';
import { unpickle } from '../../src/checkpoint/pickle/read';
import { parseCheckpoint } from '../../src/checkpoint/pth';
import { Budget } from '../../src/checkpoint/refuse';
import { numbersOf, type Value } from '../../src/checkpoint/value';
import { ZipArchive } from '../../src/checkpoint/zip/read';
import { zipChunks } from '../../src/checkpoint/zip/write';
import type { TensorData } from '../../src/tensor';

const refusal = (about: RegExp) =>
  expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(about) });

function read(pickle: string): Value {
  const bytes = Buffer.from(pickle, 'latin1');
  return unpickle(bytes, 0, new Budget(bytes.length)).value;
}

async function zipOf(records: Record<string, Uint8Array | string>): Promise<Buffer> {
  const list = Object.entries(records).map(([name, data]) => ({
    name,
    data: typeof data === 'string' ? Buffer.from(data, 'latin1') : data,
  }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of zipChunks(list, () => [])) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A pickled tensor over storage 0 of `numel` floats, with `rest` as offset, sizes and strides. */
const tensorPickle = (numel: string, rest: string) =>
  `\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu${numel}tQ${rest}\x89)tRs.`;

test.each([
  ['a list that holds itself', ']q\x00h\x00a.', /contain themselves/],
  ['lists that double forty times', `]q\x00${'](h\x00h\x00eq\x00'.repeat(40)}.`, /more memory/],
  ['a thousand levels', `${']'.repeat(1000)}${'a'.repeat(999)}.`, /nested/],
  ['a million dictionaries', `](${'}'.repeat(1_000_000)}e.`, /more memory/],
  ['a key twice', '}(K\x01NK\x01Nu.', /twice/],
  ['a list as a key', '}]Ns.', /neither text nor an integer/],
  ['a class as data', 'ctorch\nFloatStorage\n.', /class/],
  ['a call of a storage class', 'ctorch\nFloatStorage\n)R.', /not a function/],
  ['an unlisted name', 'cos\nsystem\n.', /os\.system/],
  ['an inherited property as a name', 'cconstructor\nname\n.', /constructor\.name/],
  ['a name made of a list', `${']'.repeat(50)}${'a'.repeat(49)}X\x01\x00\x00\x00a\x93.`, /other than text/],
  ['a whole model', '(X\x06\x00\x00\x00moduleNNNtQ.', /state_dict/],
  [
    'a view of a storage',
    '(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04)tQ.',
    /views of storages/,
  ],
  ['bytes beyond the end', 'B\xff\xff\xff\x7fabc.', /ends early/],
  ['an eight-byte length', '\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.', /ends early/],
  ['text that is not UTF-8', 'X\x01\x00\x00\x00\xff.', /UTF-8/],
  ['an unknown operation', '\x82\x01.', /0x82/],
  ['a pop below a mark', 'N(0.', /stack/],
  ['a numpy array', 'cnumpy.core.multiarray\n_reconstruct\n.', /_reconstruct/],
  ['a numpy scalar of objects', 'cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.', /numpy/],
])('pickle: %s', (_what, pickle, about) => {
  expect(() => read(pickle)).toThrow(refusal(about));
});

/** `{w: <pickle>}` in a pickle of protocol 2. */
const beside = (pickle: string) => `\x80\x02}X\x01\x00\x00\x00w${pickle}s.`;
const namespace = 'cargparse\nNamespace\n)\x81';

test.each([
  ['an object with attributes', `${namespace}}X\x01\x00\x00\x00aK\x01sb`, 'argparse.Namespace'],
  ['an object of many items', `${namespace}(${'K\x01K\x02'.repeat(1000)}u`, 'argparse.Namespace'],
  ['an object that is its own attribute', `${namespace}q\x00}X\x01\x00\x00\x00ah\x00sb`, 'argparse.Namespace'],
  ['an object that is called', `${namespace})R`, 'argparse.Namespace'],
  ['an object of an object', `${namespace})\x81`, 'argparse.Namespace'],
  ['what an unknown function returns', 'capp\nmake\n(K\x01tR', 'app.make'],
  ['a class', 'capp\nNet\n', 'app.Net'],
  ['copyreg with a class', 'ccopyreg\n_reconstructor\n(capp\nNet\nc__builtin__\nobject\nNtR', 'app.Net'],
  ['INST', '(K\x01iapp\nNet\n', 'app.Net'],
  ['OBJ', '(capp\nNet\nK\x01o', 'app.Net'],
  ['NEWOBJ_EX', 'capp\nNet\n)}\x92', 'app.Net'],
  ['a tensor of an unknown kind', 'ctorch._tensor\n_rebuild_from_type_v2\n(capp\nmake\ncapp\nType\n)NtR', 'app.Type'],
  ['an integer of 300 bytes', `\x8b\x2c\x01\x00\x00${'\x01'.repeat(300)}`, 'builtins.int'],
])('pickle: %s is a leaf of which nothing is made', (_what, pickle, name) => {
  const value = read(beside(pickle)) as Map<string, Value>;
  expect([...value]).toEqual([['w', { name }]]);
  expect(String(value.get('w'))).toBe(`${name}, not read`);
});

test.each([
  [
    'a function that makes tensors by itself',
    `${'ctorch._tensor\n_rebuild_from_type_v2\nq\x00'}(h\x00h\x00]q\x01NtR`,
    /makes none/,
  ],
  [
    'a list of arguments that holds itself',
    'ctorch._tensor\n_rebuild_from_type_v2\nq\x00]q\x01(h\x00h\x00h\x01NeR',
    /makes none/,
  ],
  ['tuples that double as a key', `})${'q\x00h\x00\x86'.repeat(40)}Ns.`, /16 deep/],
  ['tuples nested without end as a key', `})${'\x85'.repeat(1000)}Ns.`, /16 deep/],
  ['an attack among known names', beside('cos\nsystem\n(X\x02\x00\x00\x00lstR'), /os\.system/],
  ['an attack as an attribute', beside(`${namespace}}X\x01\x00\x00\x00acbuiltins\neval\nsb`), /builtins\.eval/],
  ['an attack under two names', beside('cbuiltins\ngetattr\n(cimportlib\nimport_module\nNtR'), /builtins\.getattr/],
  ['attributes of a number', beside('K\x01Nb'), /attributes/],
  [
    'a huge storage of an unread type',
    beside(storageOf('ComplexFloatStorage', '\x8a\x07\xff\xff\xff\xff\xff\xff\x1f')),
    /storage|memory/,
  ],
])('pickle: %s', (_what, pickle, about) => {
  const bytes = Buffer.from(pickle, 'latin1');
  expect(() => unpickle(bytes, 0, new Budget(bytes.length))).toThrow(refusal(about));
});

/** A storage as a value. */
function storageOf(type: string, numel: string): string {
  return `(X\x07\x00\x00\x00storagectorch\n${type}\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu${numel}tQ`;
}

test('sharing a dictionary copies nothing, and a list of pairs is charged for each copy', () => {
  const pairs = `]q\x00(${Array.from({ length: 200 }, (_, i) => `K${String.fromCharCode(i)}N\x86`).join('')}e`;
  const copies = `ccollections\nOrderedDict\nq\x01](${'h\x01h\x00\x85R'.repeat(20_000)}e.`;
  expect(() => read(`${pairs}0${copies}`)).toThrow(refusal(/more memory/));
});

test('many small values of a sound file are within its memory', () => {
  expect((read(`](${'}\x94'.repeat(400_000)}e.`) as Value[]).length).toBe(400_000);
  expect((read(`](${'K\x01'.repeat(2_000_000)}e.`) as Value[]).length).toBe(2_000_000);
  expect(read(`${']'.repeat(400)}${'a'.repeat(399)}.`)).toHaveLength(1);
});

test('protocols 0 and 1 are read, but for tensors that are named by text', () => {
  const text = "(lp0\nI3\naF2.5\naS'x\\n\\'\\xe9'\np1\naVa\\u20ac\np2\naL1000000000000000000000L\naI01\naNag1\na.";
  expect(read(text)).toEqual([3, 2.5, "x\n'\u00e9", 'a\u20ac', 10n ** 21n, true, null, "x\n'\u00e9"]);
  expect(() => read("P('storage', 0)\n.")).toThrow(refusal(/protocol 0/));
  for (const bad of ['Ix\n.', 'F\n.', 'Sx\n.', 'gx\n.', "S'x", 'V\\U00ffffff\n.'])
    expect(() => read(bad)).toThrow(refusal(/./));
});

test('numpy scalars of every width, and bytes, are plain values', () => {
  const scalar = (code: string, order: string, raw: string) =>
    read(
      `cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00${code}tR(K\x03X\x01\x00\x00\x00${order}tbU${String.fromCharCode(raw.length)}${raw}tR.`,
    );
  expect(scalar('f4', '<', '\x00\x00\xc0\x3f')).toBe(1.5);
  expect(scalar('f8', '>', '\x40\x51\xe0\x00\x00\x00\x00\x00')).toBe(71.5);
  expect(scalar('i8', '<', '\xfe\xff\xff\xff\xff\xff\xff\xff')).toBe(-2);
  expect(scalar('b1', '|', '\x01')).toBe(true);
  expect(read('c_codecs\nencode\n(X\x02\x00\x00\x00\xc3\xbfX\x06\x00\x00\x00latin1tR.')).toEqual(Uint8Array.of(255));
});

test('a tensor expanded by a stride of 0 may not cost more than the file', async () => {
  const storage = new Uint8Array(16);
  const [small, large] = await Promise.all(
    ['K\x04', 'J\x00\x00\x00\x10'].map((size) =>
      zipOf({ 'a/data.pkl': tensorPickle('K\x04', `K\x00(${size}t(K\x00t`), 'a/data/0': storage }),
    ),
  );
  const { value } = parseCheckpoint(small!);
  expect((value as Map<string, { data: Uint8Array }>).get('w')!.data.length).toBe(16);
  // Such a tensor does not harm the others: it is refused where it is needed.
  const { value: unread } = parseCheckpoint(large!);
  expect((unread as Map<string, unknown>).get('w')).toMatchObject({
    shape: [1 << 28],
    reason: expect.stringMatching(/more memory/),
  });
  expect(() => stateDictOf(unread)).toThrow(refusal(/"w".*more memory/));
});

test('storages of CUDA tensors are read like those of the CPU', async () => {
  const pickle = tensorPickle('K\x04', 'K\x01(K\x03t(K\x01t')
    .replace('ctorch\nFloat', 'ctorch.cuda\nFloat')
    .replace('\x03\x00\x00\x00cpu', '\x06\x00\x00\x00cuda:1');
  const bytes = await zipOf({ 'a/data.pkl': pickle, 'a/data/0': new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) });
  const { value } = parseCheckpoint(bytes);
  expect([...numbersOf((value as Map<string, TensorData>).get('w')!)]).toEqual([2, 3, 4]);
});

test('a storage that points elsewhere in the archive, or out of it, is not there', async () => {
  const bytes = await zipOf({
    'a/data.pkl': tensorPickle('K\x04', 'K\x00)(t').replace('\x000X\x03', '\x009X\x03'),
    'a/data/0': new Uint8Array(16),
  });
  expect(() => parseCheckpoint(bytes)).toThrow(refusal(/a\/data\/9/));
});

/** A zip with one deflated entry that says it holds `size` bytes. */
function deflated(content: Uint8Array, size: number, name = 'a/data.pkl'): Buffer {
  const packed = zlib.deflateRawSync(content);
  const fields = Buffer.alloc(20);
  fields.writeUInt16LE(8, 2);
  fields.writeUInt32LE(zlib.crc32(content), 8);
  fields.writeUInt32LE(packed.length, 12);
  fields.writeUInt32LE(size, 16);
  const lengths = Buffer.from([name.length, 0, 0, 0]);
  const local = Buffer.concat([Buffer.from('PK\x03\x04\x14\x00'), fields, lengths, Buffer.from(name), packed]);
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\x00\x14\x00'),
    fields,
    lengths,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

test('compressed records are read within bounds; a deflate bomb is refused', () => {
  const pickle = Buffer.from('\x80\x02]Na.', 'latin1');
  expect(parseCheckpoint(deflated(pickle, pickle.length))).toEqual({ format: 'zip', value: [null] });
  const bomb = new Uint8Array(1 << 26);
  expect(() => parseCheckpoint(deflated(bomb, bomb.length))).toThrow(refusal(/more memory/));
  expect(() => parseCheckpoint(deflated(bomb, 1000))).toThrow(refusal(/decompressed/));
});

test('records that overlap, or stand twice, are refused', async () => {
  const bytes = await zipOf({ 'a/data.pkl': 'N.', 'a/data/0': new Uint8Array(64), 'a/data/1': new Uint8Array(64) });
  const names = [...bytes.toString('latin1').matchAll(/a\/data\/1/g)].map((match) => match.index);
  const twice = Buffer.from(bytes);
  for (const at of names) twice[at + 7] = 0x30;
  expect(() => parseCheckpoint(twice)).toThrow(refusal(/twice/));
  const overlapping = Buffer.from(bytes);
  overlapping.writeUInt32LE(10_000, bytes.lastIndexOf('PK\x01\x02') + 20);
  expect(() => parseCheckpoint(overlapping)).toThrow(refusal(/overlap/));
});

test('a local header whose name reaches beyond the file is refused', async () => {
  const bytes = await zipOf({ 'a/data.pkl': 'N.' });
  bytes.writeUInt16LE(0xffff, 26);
  expect(() => parseCheckpoint(bytes)).toThrow(refusal(/beyond the archive/));
});

test('an archive of more than 65,535 records needs zip64, and has it', async () => {
  const records = Object.fromEntries(Array.from({ length: 66_000 }, (_, i) => [`a/${i}`, i === 65_999 ? 'last' : '']));
  const bytes = await zipOf(records);
  const archive = new ZipArchive(bytes, new Budget(100 << 20));
  expect(archive.names).toHaveLength(66_000);
  expect(Buffer.from(archive.read('a/65999')).toString()).toBe('last');
});
