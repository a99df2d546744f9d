/** `.metadata` of torch.distributed.checkpoint. */
import { PICKLE } from './checkpoints.mjs';
import { bytesOf, dist, fuzz } from './loop.mjs';

const CLASSES = ['Metadata', 'TensorStorageMetadata', 'BytesStorageMetadata', 'ChunkStorageMetadata', 'MetadataIndex'];

await fuzz('distributed', () => {
  const { parseMetadata } = dist('checkpoint/distributed/metadata');
  const { Budget, namingFile } = dist('checkpoint/refuse');
  return {
    seeds: ['tools/fsdp/.metadata', 'tools/blocks/.metadata'].map((name) => bytesOf(`test/cases/checkpoints/${name}`)),
    tokens: [...PICKLE, ...CLASSES.map((name) => `ctorch.distributed.checkpoint.metadata\n${name}\n)\x81`)],
    parse: (bytes, file) => namingFile(file, () => parseMetadata(bytes, new Budget(bytes.length))),
  };
});
