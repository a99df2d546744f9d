import { z } from 'zod';
import { allHidden, optionOf } from '../option';
import { averaging } from './training';

const option = optionOf('Precision');

const ROUNDINGS = ['stochastic', 'nearest'] as const;
const FLAVOURS = ['qtorch', 'swalp'] as const;
const NON_FINITE = ['error', 'propagate'] as const;
const wordLength = (what: string, standard: string) =>
  option(
    z.union([z.literal(-1), z.number().int().min(2).max(22)]).optional(),
    `bits of ${what}; -1 is full precision`,
    '-1 or a whole number from 2 to 22',
    { defaultHelp: standard },
  );
/** Low precision in block floating point; `standard` says what holds where no word length is given. */
export const lowPrecision = (standard = '-1') => ({
  wlWeight: wordLength('weights', standard),
  wlActivate: wordLength('the outputs of convolutions', standard),
  wlGrad: wordLength('the gradients of weights', standard),
  wlError: wordLength('the gradients that come back to the outputs of convolutions', standard),
  wlMomentum: wordLength('momentum', standard),
  rounding: option(z.enum(ROUNDINGS).optional(), 'how values are rounded', {
    defaultHelp: standard === '-1' ? 'stochastic' : 'as the checkpoint says, else stochastic',
  }),
  bfpFlavour: option(z.enum(FLAVOURS).optional(), "the reference's quantiser (qtorch) or SWALP's own", {
    aliases: ['bfp-flavor'],
    defaultHelp: standard === '-1' ? 'qtorch' : 'as the checkpoint says, else qtorch',
  }),
  nonFinite: option(z.enum(NON_FINITE).optional(), 'infinities and NaN end the run with an error, or propagate', {
    defaultHelp: 'error',
  }),
  testRounding: option(z.enum(ROUNDINGS).optional(), 'how outputs of convolutions are rounded while testing', {
    defaultHelp: 'as --rounding',
  }),
});

export const AS_CHECKPOINT = 'as the checkpoint says, else -1';

/** The part that `prune` uses; the rest is accepted, because the reference's scripts share their options. */
export const prunedPrecision = () => {
  const { nonFinite, testRounding, ...used } = lowPrecision(AS_CHECKPOINT);
  return { ...used, ...allHidden({ nonFinite, testRounding, ...averaging }) };
};
