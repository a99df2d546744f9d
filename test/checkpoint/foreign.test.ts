/** Messages about files that are no checkpoints say what they are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCheckpoint } from '../../src/checkpoint/pth';
import { unwrap } from '../../src/checkpoint/wrappers';
import { zipChunks } from '../../src/checkpoint/zip/write';

const refusal = (about: RegExp) =>
  expect.objectContaining({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(about) });

async function zipOf(names: string[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const records = names.map((name) => ({ name, data: Buffer.from('{}') }));
  for await (const chunk of zipChunks(records, () => [])) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test.each([
  ['\x89HDF\r\n\x1a\n', /is an HDF5 file/],
  ['GGUF\x03\x00\x00\x00', /is a GGUF file/],
  ['\x08\x08\x12\x09earlybird', /is an ONNX file/],
  ['\x1f\x8b\x08', /is compressed by gzip; unpack it first/],
  ['version https://git-lfs.github.com/spec/v1\n', /is a pointer of git-lfs/],
  ['<!DOCTYPE html><html>', /is a web page/],
  ['\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}', /is a plain pickle, not a file of torch\.save/],
  ['what is this', /neither a PyTorch checkpoint nor a safetensors file/],
])('%j', (bytes, about) => {
  expect(() => parseCheckpoint(Buffer.from(bytes, 'latin1'), 'a file')).toThrow(refusal(about));
});

test('programs of PyTorch, archives of numpy', async () => {
  const script = readFileSync(join(__dirname, '..', 'cases', 'checkpoints', 'tools', 'script.pt'));
  expect(() => parseCheckpoint(script)).toThrow(
    refusal(/is a TorchScript program, not a state dict \(nothing was run\)/),
  );
  const program = await zipOf(['e/models/model.json', 'e/archive_format']);
  const older = await zipOf(['serialized_exported_program.json', 'version']);
  for (const zip of [program, older])
    expect(() => parseCheckpoint(zip)).toThrow(refusal(/is a program of torch\.export/));
  const arrays = await zipOf(['weights.npy']);
  expect(() => parseCheckpoint(arrays)).toThrow(refusal(/is an \.npz archive/));
});

describe('a network beside other entries', () => {
  const own = ['feature.0.weight', 'feature.1.weight', 'classifier.weight'];
  const under = (prefix: string) => own.map((key) => prefix + key);

  test('is found under any name, where it is the only one', () => {
    const { plain, prefixes } = unwrap([...under('student.'), 'loss.scale', 'n.seen']);
    expect([...plain]).toEqual(own.map((key) => [`student.${key}`, key]));
    expect(prefixes).toEqual(['student.']);
  });

  test('of two none is chosen', () => {
    const keys = [...under('student.'), ...under('teacher.')];
    expect([...unwrap(keys).plain.values()]).toEqual(keys);
  });

  test('blocks of a network are none', () => {
    const keys = ['conv1.weight', 'layer1.0.conv1.weight', 'fc.weight', 'extra'];
    expect([...unwrap(keys).plain.values()]).toEqual(keys);
    const foreign = ['stem.conv1.weight', 'head.weight'];
    expect([...unwrap(foreign).plain.values()]).toEqual(foreign);
  });
});
