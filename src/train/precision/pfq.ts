/**
 * Progressive precision: one rung higher each time that the loss has settled (Fu et al., "FracTrain", NeurIPS 2020,
 * algorithm 1). The rule is that of the detector `loss-fifo`, which draws a ticket where this one goes up; FIFO 5,
 * threshold 0.15 and decay 0.4 from its CIFAR scripts, 3, 4, 6 and 8 bits from its examples. In the paper gradients go
 * up with the rest; here they stay at the highest.
 */
import { turnsIn } from '../../ticket/detectors/loss-fifo';
import type { Schedule } from './schedule';

const FIFO = 5;

export const pfq: Schedule = ({ losses }, { top, threshold, decay }) =>
  turnsIn(losses, { window: FIFO, threshold, decay, turns: top }).turned;
