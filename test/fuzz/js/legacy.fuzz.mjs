/** Checkpoints of PyTorch before 1.6: several pickles, then the storages. */
import { checkpoints, PICKLE, readSound } from './checkpoints.mjs';
import { fuzz } from './loop.mjs';

await fuzz('legacy', () => ({
  seeds: checkpoints(
    ...['pruned_vgg_small_legacy', 'numpy1_scalar_legacy', 'views_legacy', 'evil_system_legacy'],
    ...['values-legacy', 'objects-legacy', 'D/legacy-protocol4'].map((name) => `cases/checkpoints/${name}.pt`),
  ),
  tokens: PICKLE,
  parse: readSound,
}));
