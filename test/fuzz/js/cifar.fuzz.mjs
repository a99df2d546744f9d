/** The pickles of CIFAR-100's python archive: a batch or its names; the others are good. */
import path from 'node:path';
import { PICKLE } from './checkpoints.mjs';
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const text = (word) => `U${String.fromCharCode(word.length)}${word}`;
const array = (rows) =>
  `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01bt R(K\x01K${String.fromCharCode(rows)}M\x00\x0c\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x00${String.fromCharCode(12 * rows)}\x00\x00${'p'.repeat(3072 * rows)}tb`.replace(
    't R',
    'tR',
  );
const batch = (label) =>
  `\x80\x02}(${text('data')}${array(1)}${text('fine_labels')}](K${String.fromCharCode(label)}eu.`;
const NAMES = `\x80\x02}${text('fine_label_names')}](${text('apple')}${text('bear')}es.`;

await fuzz('cifar', () => {
  const { CIFAR, readCifar } = dist('data/cifar/cifar');
  const good = Buffer.from(batch(3), 'latin1');
  return {
    seeds: [batch(7), batch(99), NAMES].map((pickle) => Buffer.from(pickle, 'latin1')),
    tokens: [...PICKLE, text('data'), text('fine_labels'), text('fine_label_names'), 'K\x63', 'K\x64'],
    codes: ['ERR_DATASET'],
    parse: async (bytes, file) => {
      const isNames = bytes.length < 1024;
      put(path.join(file, 'train'), isNames ? good : bytes);
      put(path.join(file, 'test'), good);
      put(path.join(file, 'meta'), isNames ? bytes : Buffer.from(NAMES, 'latin1'));
      const { train, classNames } = await readCifar(CIFAR.cifar100, file);
      if (classNames.length !== 100 || train.images.length !== train.count * 3072)
        throw new Error('a set that is not whole');
    },
  };
});
