/** Files and keys that are named after a pruning ratio, which they spell as a whole percent. */
import { percentOf } from '../recipe/ratio';

/** The key of a ratio in results, metrics and checkpoints: 0.3 -> "30". */
export const ratioKey = (ratio: number): string => String(percentOf(ratio));

/** The masks of a search, in its folder. */
export const maskFile = (ratio: number): string => `masks/${ratioKey(ratio)}.bits`;

/** Those inside epochs (--mask-every). */
export const stepMaskFile = (ratio: number): string => `masks/${ratioKey(ratio)}.steps.bits`;

/** "1 epoch", "2 epochs". */
export const epochsText = (count: number): string => `${count} ${count === 1 ? 'epoch' : 'epochs'}`;

/** The checkpoint of an epoch index that is kept. */
export const checkpointFile = (epoch: number): string => `ckpt${epoch}.pth.tar`;

/** A ticket; its number is one more than the epochs it has completed, as in the reference. */
export const ticketFile = (ratio: number, number: number): string => `EB-${ratioKey(ratio)}-${number}.pth.tar`;

/** Key of the ratio and number of a file that ticketFile names; null for other files. */
export function parseTicketFile(name: string): { key: string; number: number } | null {
  const found = /^EB-(\d+)-(\d+)/.exec(name);
  return found && { key: found[1]!, number: Number(found[2]) };
}

/** Names the stages of a ticket as the scripts of the reference do: EB-30-5 pruned at 0.3 is "3005_0.3". */
export const ticketStage = (ratio: number, number: number): string =>
  `${ratioKey(ratio)}${String(number).padStart(2, '0')}_${ratio}`;
