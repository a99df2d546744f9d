import { allHidden, count, option } from '../option';
import { files } from './runtime';
import { training } from './training';

const unusedWidth = (flag: string) => option(count(0).optional(), 'accepted for compatibility', { flag, hidden: true });
/** The reference's mask script takes bit widths and uses none. */
export const unusedBits = {
  bitsA: unusedWidth('bits-A'),
  bitsW: unusedWidth('bits-W'),
  bitsG: unusedWidth('bits-G'),
  bitsE: unusedWidth('bits-E'),
  bitsR: unusedWidth('bits-R'),
};
/** Flags of PyTorch's launcher in the reference's ResNet-50 scripts. */
export const launcher = {
  localRank: option(count(0).optional(), 'accepted for compatibility', { hidden: true, identity: false }),
  port: option(count(0).optional(), 'accepted for compatibility', { hidden: true, identity: false }),
};
/** The reference's evaluation scripts take every training option and use none. */
export const unused = allHidden({ ...files, ...training });
