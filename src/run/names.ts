/** Names of files and keys that contain a pruning ratio, as a whole percent. */
import { percentOf } from '../recipe/ratio';

/** The key of a ratio in results, metrics and checkpoints: 0.3 -> "30". */
export const ratioKey = (ratio: number): string => String(percentOf(ratio));

/** Path of the masks of a search in its folder. */
export const maskFile = (ratio: number): string => `masks/${ratioKey(ratio)}.bits`;

/** Path of the masks inside epochs (--mask-every). */
export const stepMaskFile = (ratio: number): string => `masks/${ratioKey(ratio)}.steps.bits`;

/** Number of epochs in words: "1 epoch", "2 epochs". */
export const epochsText = (count: number): string => `${count} ${count === 1 ? 'epoch' : 'epochs'}`;

/** File name of the kept checkpoint of an epoch index. */
export const checkpointFile = (epoch: number): string => `ckpt${epoch}.pth.tar`;

/** File name of a ticket. Its number is one more than its completed epochs, as in the reference. */
export const ticketFile = (ratio: number, number: number): string => `EB-${ratioKey(ratio)}-${number}.pth.tar`;

/** Key of the ratio and number in a file name of ticketFile; null for other files. */
export function parseTicketFile(name: string): { key: string; number: number } | null {
  const found = /^EB-(\d+)-(\d+)/.exec(name);
  return found && { key: found[1]!, number: Number(found[2]) };
}

/** Name of the stages of a ticket as in the scripts of the reference: EB-30-5 pruned at 0.3 is "3005_0.3". */
export const ticketStage = (ratio: number, number: number): string =>
  `${ratioKey(ratio)}${String(number).padStart(2, '0')}_${ratio}`;
