/** safetensors. */
import { checkpoints, sound } from './checkpoints.mjs';
import { dist, fuzz } from './loop.mjs';

await fuzz('safetensors', () => {
  const { Budget, namingFile } = dist('checkpoint/refuse');
  const { parseSafetensors } = dist('checkpoint/safetensors');
  const parse = (bytes, file) =>
    namingFile(file, () => sound(parseSafetensors(bytes, new Budget(bytes.length)).entries));
  const small = (header, data) => {
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data, 7)]);
  };
  return {
    seeds: [
      ...checkpoints('cases/checkpoints/D/metadata-null.safetensors'),
      small('{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
      small(
        '{"b":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]},"c":{"dtype":"I64","shape":[],"data_offsets":[3,11]}}',
        11,
      ),
    ],
    tokens: [
      '"dtype"',
      '"shape"',
      '"data_offsets"',
      '"BF16"',
      '"U16"',
      '[0,0]',
      '"__metadata__"',
      '{}',
      '[]',
      '"__proto__"',
    ],
    parse,
  };
});
