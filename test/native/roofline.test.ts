/** The rooflines of the networks in docs/performance.md are those of the program. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bytesOf, macsOf, rooflineOf, workOf } from '../../src/bench/roofline';
import { NETWORKS } from '../../src/bench/workload';
import type { ModelDescription } from '../../src/native/types/model';
import { addon } from '../support/small-handles';

const DOC = readFileSync(join(resolve(__dirname, '..', '..'), 'docs', 'performance.md'), 'utf8');
const H200 = { copy: 4.8e12, matmul: 989e12 };
const BATCH = 256;

/** The cells of every row of the document that begins with the network's name. */
const rowsOf = (name: string) =>
  DOC.split('\n')
    .filter((line) => line.startsWith(`| ${name} |`))
    .map((line) =>
      line
        .split('|')
        .slice(2, -1)
        .map((cell) => cell.trim()),
    );

test.each(Object.entries(NETWORKS))('%s', async (name, { arch, depth, data }) => {
  const model = await addon.createModel({ arch, depth, classes: data.classes, seed: 1, device: 'cpu' });
  const description: ModelDescription = model.describe();
  model.dispose();
  const [image, step] = rowsOf(name);

  const [bf16, fp32] = [workOf(description, 1, 'bf16'), workOf(description, 1, 'fp32')];
  const macs = description.layers.reduce((sum, layer) => sum + macsOf(layer), 0);
  expect(image).toEqual([
    (macs / 1e6).toFixed(2),
    (bf16.flops / 1e9).toFixed(3),
    (bf16.activationBytes / 1e6).toFixed(3),
    (fp32.activationBytes / 1e6).toFixed(3),
    (bf16.weightBytes / 1e6).toFixed(1),
    (fp32.weightBytes / 1e6).toFixed(1),
  ]);

  const work = workOf(description, BATCH, 'bf16');
  const { arithmeticMs, trafficMs } = rooflineOf(work, H200);
  expect(step).toEqual([
    (work.flops / 1e9).toFixed(1),
    (bytesOf(work) / 1e9).toFixed(3),
    arithmeticMs.toFixed(3),
    trafficMs.toFixed(3),
    arithmeticMs > trafficMs ? 'arithmetic' : 'traffic',
  ]);

  // An unfused ReLU would add its output five times, 2 bytes each.
  const relu = description.layers.reduce(
    (sum, layer) => sum + (layer.kind === 'relu' ? layer.channels * layer.height * layer.width : 0),
    0,
  );
  const extra = Math.round((5 * 2 * relu * BATCH) / 1e6).toLocaleString('en');
  expect(DOC).toContain(`+${extra} MB (${((5 * 2 * relu * BATCH * 1000) / H200.copy).toFixed(2)} ms)`);
});
