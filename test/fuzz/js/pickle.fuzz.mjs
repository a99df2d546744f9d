/** A bare pickle, as plain data in it is read. */
import { PICKLE, sound } from './checkpoints.mjs';
import { dist, fuzz } from './loop.mjs';

const SEEDS = [
  '\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02]q\x03(K\x02M\x00\x01J\x00\x00\x01\x00eu.',
  '(dp0\nVkey\np1\n(lp2\nI1\naF2.5\nasS"text"\np3\n(I1\nL5L\ntp4\ns.',
  '\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94\x8f\x94(K\x01K\x02\x90\x8c\x01b\x94C\x02xy\x94u.',
  '\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00kG?\xf0\x00\x00\x00\x00\x00\x00u.',
];

await fuzz('pickle', () => {
  const { unpickle } = dist('checkpoint/pickle/read');
  const { Budget, namingFile } = dist('checkpoint/refuse');
  return {
    seeds: SEEDS.map((text) => Buffer.from(text, 'latin1')),
    tokens: PICKLE,
    parse: (bytes, file) => sound(namingFile(file, () => unpickle(bytes, 0, new Budget(bytes.length)).value)),
  };
});
