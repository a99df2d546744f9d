import { z } from 'zod';
import { count, nonNegative, optionOf } from '../option';
import { SCHEDULES } from '../precision-schedules';

const option = optionOf('Precision');

/** Options of forward passes whose bits change between epochs. */
export const precisionSchedule = {
  precisionSchedule: option(
    z.enum(SCHEDULES).default('static'),
    'bits of forward passes by epoch: static; cpt, cycles between few bits and all; pfq, more bits each time that the loss has settled; mask, more bits as the masks settle, and all with the ticket',
  ),
  precisionLadder: option(
    z
      .array(z.union([z.number(), z.string()]))
      .min(1)
      .optional(),
    'formats of forward passes below those of the run, rising',
    'word lengths, as 4 5 6 7',
    { defaultHelp: 'from 3 bits (mask: 4) on' },
  ),
  precisionCycles: option(count().optional(), 'schedule cpt: cycles in all epochs', {
    defaultHelp: 'one of five epochs each',
  }),
  precisionThreshold: option(
    nonNegative().optional(),
    'schedule mask: mask distance of two epochs below which bits are added; pfq: relative difference of losses',
    { defaultHelp: '0.1; pfq: 0.15' },
  ),
  precisionDecay: option(nonNegative().optional(), 'schedule pfq: factor of its threshold after each step', {
    defaultHelp: '0.4',
  }),
};
