/** The bytes of a tar shard: each image follows its class, so that one read finds both headers. */
import { pack } from 'tar-stream';

interface ShardImage {
  key: string;
  label: number;
  bytes: Buffer;
  /** Extension of the image: "jpg". */
  extension: string;
}

/** Constant times and owners, so that the same images give the same bytes anywhere. */
const PLAIN = { mtime: new Date(0), mode: 0o644, uid: 0, gid: 0 };

export async function* shardBytes(images: AsyncIterable<ShardImage>): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const fill = async () => {
    for await (const { key, label, bytes, extension } of images) {
      await entry(`${key}.cls`, Buffer.from(String(label)));
      await entry(`${key}.${extension}`, bytes);
    }
    tar.finalize();
  };
  const entry = (name: string, bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      tar.entry({ name, ...PLAIN }, bytes, (error) => (error ? reject(error) : resolve()));
    });
  const filled = fill();
  filled.catch((error: Error) => tar.destroy(error));
  yield* tar as AsyncIterable<Uint8Array>;
  await filled;
}
