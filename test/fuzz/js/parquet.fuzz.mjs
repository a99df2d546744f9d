/** Parquet as Hugging Face datasets writes it. */
import { formats, readShard } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

await fuzz('parquet', () => ({
  seeds: formats(
    ...['pq-delta/val/0000', 'pq-dictionary/val/0000', 'pq-names/val/0000', 'pq-zstd-v2/val/0000'].map(
      (name) => `${name}.parquet`,
    ),
  ),
  tokens: [
    'PAR1',
    '\x15\x00',
    '\x15\x02\x19',
    '\xff\xff\xff\xff\x0f',
    '\x80\x80\x80\x80\x10',
    'label',
    'image',
    'bytes',
  ],
  codes: ['ERR_DATASET'],
  parse: (bytes, file) => readShard(dist('data/formats/parquet').PARQUET, file, bytes),
}));
