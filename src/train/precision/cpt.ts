/**
 * Cyclic precision: in every cycle the rung rises from the lowest to the highest along half a cosine, and falls back at
 * once (Fu et al., "CPT: Efficient Deep Neural Network Training via Cyclic Precision", ICLR 2021, equation 1; the paper
 * has 32 cycles over all iterations from 3 to 8 bits, with gradients at the highest throughout).
 */
import type { Schedule } from './schedule';

export const cpt: Schedule = ({ epoch, epochs }, { top, cycles }) => {
  const phase = ((epoch * cycles) % epochs) / epochs;
  return Math.round((top / 2) * (1 - Math.cos(Math.PI * phase)));
};
