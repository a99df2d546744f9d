/** metrics.jsonl. */
import path from 'node:path';
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const line = (epoch) =>
  JSON.stringify({
    epoch,
    completed: epoch + 1,
    lr: 0.1,
    train: { loss: 1.5, lossBatchMean: 1.5, top1: 40, top1BatchMean: 40 },
    test: { loss: null, top1: 41, top1BatchMean: 41, top5: 90 },
    seconds: { train: 2, evaluate: 1 },
    imagesPerSecond: 100,
    joules: null,
    distances: { 30: null, 50: [0.1, 0.2] },
    emerged: { 30: 3 },
  });

await fuzz('metrics', () => {
  const { RunDirectory } = dist('run/directory');
  const { recordText } = dist('run/record');
  return {
    seeds: [`${line(0)}\n`, `${line(0)}\n${line(1)}\n${line(2)}\n`, `${line(0)}\n{"epoch":1,`].map((text) =>
      Buffer.from(text),
    ),
    tokens: ['null', '{}', '[]', '\n', '"epoch":', '"distances":', '"__proto__":', '1e999', '-1', '"', '\\ud800'],
    codes: ['ERR_FILE'],
    parse: async (bytes, file) => {
      put(path.join(file, 'metrics.jsonl'), bytes);
      recordText(8, await RunDirectory.at(file).readMetrics());
    },
  };
});
