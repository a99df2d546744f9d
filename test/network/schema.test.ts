/** The form of a network that is data, and files that are none. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { networkFromText, networkOf, networkText, readNetwork } from '../../src/network/file';
import { type LayerInput, parseNetwork } from '../../src/network/schema';
import { addon } from '../support/small-handles';

const LAYERS: LayerInput[] = [
  { name: 'conv1', kind: 'conv', out: 8, kernel: 3, padding: 1 },
  { name: 'bn1', kind: 'batchnorm' },
  { name: 'relu1', kind: 'relu' },
  { name: 'pool', kind: 'avgpool' },
  { name: 'fc', kind: 'linear', out: 'classes' },
];
const network = (layers: unknown = LAYERS, more: object = {}) => ({ name: 'small', layers, ...more });
const parse = (layers: unknown, more?: object) => parseNetwork(network(layers, more), 'small.json');
const instead = (index: number, ...layers: unknown[]) => LAYERS.toSpliced(index, 1, ...(layers as LayerInput[]));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'networks-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('a layer reads the one before it, and a complete network stays as it is', () => {
  const whole = parse(LAYERS);
  expect(whole.layers.map(({ inputs }) => inputs)).toEqual([['image'], ['conv1'], ['bn1'], ['relu1'], ['pool']]);
  expect(whole.layers[0]).toEqual({
    ...LAYERS[0],
    inputs: ['image'],
    stride: 1,
    groups: 1,
    depthwise: false,
    bias: false,
  });
  expect(parseNetwork(whole, 'small.json')).toEqual(whole);
  expect(networkFromText(networkText(whole), 'a.pth.tar')).toEqual(whole);
  const reversed = LAYERS.map((layer) => Object.fromEntries(Object.entries(layer).reverse()));
  for (const same of [whole, network(reversed)])
    expect(networkText(parseNetwork(same, 'small.json'))).toBe(networkText(whole));
});

test('the network of the documentation is one', () => {
  const page = readFileSync(join(__dirname, '..', '..', 'docs', 'add-a-network.md'), 'utf8');
  const text = /```json\n(.*?)```/s.exec(page)![1]!;
  expect(parseNetwork(JSON.parse(text), 'tinynet.json').layers).toHaveLength(9);
});

test.each([
  [
    'a kind that there is not',
    instead(2, { name: 'x', kind: 'gelu' }),
    /layer "x": there is no kind "gelu": take conv/,
  ],
  ['a field that there is not', instead(2, { name: 'x', kind: 'relu', slope: 1 }), /layer "x": .*slope/],
  ['no kernel', instead(0, { name: 'x', kind: 'conv', out: 8 }), /layer "x": "kernel"/],
  ['a huge layer', instead(0, { name: 'x', kind: 'conv', out: 1e9, kernel: 3 }), /layer "x": "out"/],
  ['a layer without a name', instead(1, { kind: 'batchnorm' }), /layer 2: "name"/],
  ['a name that is no key', instead(1, { name: '../bn', kind: 'batchnorm' }), /layer "..\/bn": "name"/],
  ['two layers of a name', instead(1, { name: 'conv1', kind: 'batchnorm' }), /two layers are called "conv1"/],
  ['a layer inside another', instead(1, { name: 'conv1.bn', kind: 'batchnorm' }), /"conv1" is a layer and part/],
  ['an input that comes later', instead(1, { name: 'b', kind: 'batchnorm', inputs: ['fc'] }), /layer "b" reads "fc"/],
  [
    'widths of a depthwise convolution',
    instead(0, { name: 'x', kind: 'conv', out: 8, kernel: 3, depthwise: true }),
    /"x"/,
  ],
  ['no layers', [], /"layers"/],
])('%s is refused with the layer', (_, layers, message) => {
  expect(() => parse(layers)).toThrow(
    expect.objectContaining({ code: 'ERR_MODEL', message: expect.stringMatching(message) }),
  );
});

test.each([
  ['not JSON', (file: string) => writeFileSync(file, '{ "name": '), 'ERR_MODEL', /not valid JSON/],
  ['JSON of something else', (file: string) => writeFileSync(file, '[1, 2]'), 'ERR_MODEL', /is not a network/],
  [
    'too large',
    (file: string) => {
      writeFileSync(file, '');
      truncateSync(file, 1 << 30);
    },
    'ERR_MODEL',
    /more than 4 MiB/,
  ],
  ['not there', () => {}, 'ERR_FILE', /cannot be read/],
] as const)('a file that is %s is refused by its name', (what, write, code, message) => {
  const file = join(folder, `${what.replaceAll(' ', '-')}.json`);
  write(file);
  expect(() => networkOf(file)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  expect(() => readNetwork(file)).toThrow(file);
});

test('a damaged network in a checkpoint is refused as the checkpoint', () => {
  expect(() => networkFromText('{', 'a.pth.tar')).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }));
  expect(() => networkFromText('{"name":"x"}', 'a.pth.tar')).toThrow(
    expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
  );
});

const conv = (name: string, out: number, more = {}) => ({ name, kind: 'conv', out, kernel: 3, padding: 1, ...more });

test.each([
  [
    'unequal terms',
    instead(2, conv('a', 4), { name: 'sum', kind: 'add', inputs: ['a', 'bn1'] }),
    /layer "sum": .* 4 and 8 channels/,
  ],
  ['one term', instead(2, { name: 'sum', kind: 'add', inputs: ['bn1'] }), /layer "sum"/],
  [
    'images of two sizes',
    instead(2, conv('a', 8, { stride: 2 }), { name: 'sum', kind: 'add', inputs: ['a', 'bn1'] }),
    /"sum".* 16x16 pixels and 32x32/,
  ],
  ['a linear layer on pixels', instead(3), /layer "fc": it reads 32x32 pixels/],
  ['a convolution on features', instead(4, conv('c', 8), LAYERS[4]), /layer "c"/],
  ['groups that do not divide', instead(0, conv('c', 8, { groups: 2 })), /layer "c".*2 groups/],
  ['a kernel larger than the image', instead(3, { name: 'p', kind: 'maxpool', kernel: 64 }), /layer "p".*--image-size/],
  ['no logits', instead(4), /layer "pool": the last layer/],
  ['a batchnorm of the image', [{ name: 'bn', kind: 'batchnorm' }, ...LAYERS], /layer "bn"/],
  [
    'a batchnorm of the image beside convolutions',
    instead(2, { name: 'both', kind: 'concat', inputs: ['image', 'bn1'] }, { name: 'bn2', kind: 'batchnorm' }),
    /layer "bn2": a batchnorm reads convolutions/,
  ],
  [
    'concatenations of concatenations',
    instead(
      2,
      ...['m1', 'm2', 'm3'].map((name, i) => ({ name, kind: 'concat', inputs: Array(100).fill(i ? `m${i}` : 'bn1') })),
    ),
    /layer "m2": it has more than 65536 channels/,
  ],
  [
    'more weights than memory',
    instead(2, ...[1, 2].map((i) => conv(`big${i}`, 65_536, { kernel: 9, padding: 4 }))),
    /weights/,
  ],
])('%s cannot be built', async (_, layers, message) => {
  const spec = { arch: parse(layers), depth: 1, classes: 10, seed: 1, device: 'cpu' };
  await expect(addon.createModel(spec)).rejects.toMatchObject({
    code: 'ERR_MODEL',
    message: expect.stringMatching(message),
  });
});
