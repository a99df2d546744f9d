/** params.json of a run, as a run that goes on in its folder reads it, and as watching and reports do. */
import path from 'node:path';
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const RECIPE = { arch: 'vgg', depth: 11, dataset: 'synthetic', epochs: 2, lr: 0.1, ratios: [0.3], seed: 1 };
const PARAMS = {
  version: 1,
  command: 'search',
  identity: RECIPE,
  recipe: RECIPE,
  dataset: { name: 'synthetic', classes: 10 },
};

await fuzz('params', () => {
  const { RunDirectory } = dist('run/directory');
  const { RunReader } = dist('watch/read');
  return {
    seeds: [
      Buffer.from(JSON.stringify(PARAMS, null, 2)),
      Buffer.from('{"command":"train","recipe":{"arch":{"layers":[]}}}'),
    ],
    tokens: [
      'null',
      '{}',
      '[]',
      '"identity":',
      '"recipe":',
      '"arch":',
      '"__proto__":',
      '"retrain"',
      '"train"',
      '1e999',
      '"ratios":[0.3,0.5]',
    ],
    codes: ['ERR_FILE', 'ERR_RECIPE'],
    parse: async (bytes, file) => {
      put(path.join(file, 'params.json'), bytes);
      put(path.join(file, 'checkpoint.pth.tar'), '');
      const found = { id: 'run', name: 'run', folder: file };
      await new RunReader(found, () => undefined).read();
      await RunDirectory.check(file, RECIPE);
    },
  };
});
