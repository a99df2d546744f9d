/**
 * Precision by the masks, a rule of our own: one rung higher after each epoch that has moved the masks by less than the
 * threshold, and the highest once the tickets are drawn. Gammas of few bits are enough while the order of channels is
 * still open.
 */
import type { Schedule } from './schedule';

export const mask: Schedule = ({ rung, distance, drawn }, { top, threshold }) => {
  if (drawn) return top;
  const now = rung ?? 0;
  return distance !== null && distance < threshold ? Math.min(now + 1, top) : now;
};
