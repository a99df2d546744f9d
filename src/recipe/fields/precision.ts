import { z } from 'zod';
import { allHidden, optionOf } from '../option';
import { FORMATS } from '../precision';
import { averaging } from './training';

const option = optionOf('Precision');

const ROUNDINGS = ['stochastic', 'nearest', 'even', 'away'] as const;
const TEST_ROUNDINGS = ['stochastic', 'nearest'] as const;
const SCALES = ['floor', 'rceil', 'even'] as const;
const MASTERS = ['fp32', 'format'] as const;
const FLAVOURS = ['qtorch', 'swalp'] as const;
const NON_FINITE = ['error', 'propagate'] as const;
const wordLength = (what: string, standard: string) =>
  option(
    z.union([z.literal(-1), z.number().int().min(2).max(22)]).optional(),
    `bits of ${what}; -1 is full precision`,
    '-1 or a whole number from 2 to 22',
    { defaultHelp: standard },
  );
const format = (what: string) =>
  option(z.enum(FORMATS).optional(), `format of ${what}`, { defaultHelp: 'as --format' });
/** Options of low precision; `standard` is the default shown in help where no word length is given. */
export const lowPrecision = (standard = '-1') => ({
  wlWeight: wordLength('weights', standard),
  wlActivate: wordLength('the outputs of convolutions', standard),
  wlGrad: wordLength('the gradients of weights', standard),
  wlError: wordLength('the gradients that come back to the outputs of convolutions', standard),
  wlMomentum: wordLength('momentum', standard),
  format: option(
    z.enum(FORMATS).optional(),
    'format of all kinds: bfp8 (the --wl options at 8), or an MX format or NVFP4 for the operands of convolutions',
    { defaultHelp: 'as the --wl options' },
  ),
  formatWeight: format('weights'),
  formatActivate: format('the inputs of convolutions'),
  formatError: format('the gradients of outputs, where they make those of inputs'),
  formatGrad: format('the gradients of outputs, where they make those of weights'),
  scale: option(z.enum(SCALES).optional(), 'how MX formats choose the power of two of a block', {
    defaultHelp: 'floor',
  }),
  masterWeights: option(
    z.enum(MASTERS).optional(),
    'weights between steps: fp32, or rounded to the MX format of weights, with no other copy',
    { defaultHelp: 'fp32' },
  ),
  rounding: option(
    z.enum(ROUNDINGS).optional(),
    'how values are rounded: stochastic; nearest (bfp8, --wl); ties to even or away from zero (MX, NVFP4)',
    {
      defaultHelp: `${standard === '-1' ? '' : 'as the checkpoint says, else '}stochastic; in MX even, gradients stochastic`,
    },
  ),
  bfpFlavour: option(z.enum(FLAVOURS).optional(), "the reference's quantiser (qtorch) or SWALP's own", {
    aliases: ['bfp-flavor'],
    defaultHelp: standard === '-1' ? 'qtorch' : 'as the checkpoint says, else qtorch',
  }),
  nonFinite: option(z.enum(NON_FINITE).optional(), 'infinities and NaN end the run with an error, or propagate', {
    defaultHelp: 'error',
  }),
  testRounding: option(
    z.enum(TEST_ROUNDINGS).optional(),
    'how outputs of convolutions are rounded while testing (bfp8, --wl)',
    {
      defaultHelp: 'as --rounding',
    },
  ),
});

export const AS_CHECKPOINT = 'as the checkpoint says, else -1';

/** Options that `prune` uses; it accepts the rest, because the reference's scripts share their options. */
export const prunedPrecision = () => {
  const { nonFinite, testRounding, ...used } = lowPrecision(AS_CHECKPOINT);
  return { ...used, ...allHidden({ nonFinite, testRounding, ...averaging }) };
};
