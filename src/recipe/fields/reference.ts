import { allHidden, count, option } from '../option';
import { files } from './runtime';
import { training } from './training';

const unusedWidth = (flag: string) => option(count(0).optional(), 'accepted for compatibility', { flag, hidden: true });
/** Bit widths that the reference's mask script accepts and does not use. */
export const unusedBits = {
  bitsA: unusedWidth('bits-A'),
  bitsW: unusedWidth('bits-W'),
  bitsG: unusedWidth('bits-G'),
  bitsE: unusedWidth('bits-E'),
  bitsR: unusedWidth('bits-R'),
};
/** Options of PyTorch's launcher in the reference's ResNet-50 scripts. */
export const launcher = {
  localRank: option(count(0).optional(), 'accepted for compatibility', { hidden: true, identity: false }),
  port: option(count(0).optional(), 'accepted for compatibility', { hidden: true, identity: false }),
};
/** Training options that the reference's evaluation scripts accept and do not use. */
export const unused = allHidden({ ...files, ...training });
