/** Checkpoints of PyTorch since 1.6: a zip archive with a pickle and storages. */
import { checkpoints, insideZip, PICKLE, readSound } from './checkpoints.mjs';
import { fuzz } from './loop.mjs';

const CASES = ['argparse-namespace', 'buffer', 'complex64', 'crc-off', 'float8-e4m3fn', 'lazy-negative', 'multisteplr'];

await fuzz('zip', () => ({
  seeds: checkpoints(
    ...['views', 'crc_mismatch', 'memo_missing'],
    ...CASES.map((name) => `cases/checkpoints/D/${name}.pt`),
  ),
  tokens: PICKLE,
  mutate: insideZip,
  parse: readSound,
}));
