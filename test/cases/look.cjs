/** Answers the questions of run.sh about files, by the built package: `node look.cjs WHAT ARGUMENTS`. */
const { readFileSync, readdirSync } = require('node:fs');
const { createHash } = require('node:crypto');
const { join } = require('node:path');

const { numbersOf, readCheckpoint, stateDictOf } = require('../../dist/index.js');

const LOOKS = {
  /** Counts in the JSON of `data verify` on standard input: "36 18 12,12,12". */
  counts() {
    const { train, test, problems } = JSON.parse(readFileSync(0, 'utf8'));
    if (!train || !test) return problems.join(' ');
    return `${train.images} ${test.images} ${train.perClass.join()}`;
  },
  /** The same of a data set in expected.json. */
  expected(file, name) {
    const [train, test] = Object.values(JSON.parse(readFileSync(file, 'utf8'))[name].splits);
    return `${train.images} ${test.images} ${train.per_class.join()}`;
  },
  /** Lines of "FILE PLAIN" of the checkpoints in expected.json. */
  checkpoints(file) {
    const { files } = JSON.parse(readFileSync(file, 'utf8')).checkpoints;
    return Object.entries(files)
      .map(([name, { plain }]) => `${name} ${plain}`)
      .join('\n');
  },
  /** A hash of the weights of a checkpoint: their names, dtypes, shapes and values. */
  async weights(file) {
    const { value } = await readCheckpoint(file);
    const hash = createHash('sha256');
    for (const [key, { dtype, shape, data }] of stateDictOf(value, file))
      hash.update(`${key} ${dtype} ${shape} `).update(data);
    return hash.digest('hex');
  },
  /** The numbers of the tensor "w" in a file. */
  async tensor(file) {
    const { value } = await readCheckpoint(file);
    return [...numbersOf(value.get('w'))].join(' ');
  },
  /** Epochs in metrics.jsonl, and bad images of the first: "20 0". */
  metrics(folder) {
    const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
    return `${lines.length} ${lines[0].bad}`;
  },
  /** The colour at (48, 30) of the only .jpg in each shard that begins with "train". */
  async colours(folder) {
    const sharp = require('sharp');
    const shard = readFileSync(
      join(
        folder,
        readdirSync(folder).find((name) => /^train.*\.tar$/.test(name)),
      ),
    );
    const colours = [];
    for (let at = 0; shard[at]; ) {
      const name = shard.toString('latin1', at, at + 100).replace(/\0.*/s, '');
      const size = Number.parseInt(shard.toString('latin1', at + 124, at + 136), 8);
      if (/\.jpe?g$/i.test(name)) {
        const image = sharp(shard.subarray(at + 512, at + 512 + size))
          .toColourspace('srgb')
          .raw();
        const { data, info } = await image.toBuffer({ resolveWithObject: true });
        const pixel = (30 * info.width + 48) * info.channels;
        colours.push([...data.subarray(pixel, pixel + 3)].join());
      }
      at += 512 + Math.ceil(size / 512) * 512;
    }
    return colours.join(' ');
  },
};

const [what, ...rest] = process.argv.slice(2);
Promise.resolve(LOOKS[what](...rest)).then(
  (text) => console.log(text),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
