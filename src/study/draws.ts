/** Chooses the epochs at which tickets are drawn. */
import { epochsText } from '../run/names';

/** A draw of one search at one ratio. */
export interface Draw {
  /** Name of its row, equal for all seeds: "8", "emergence", "lr-drop-80". */
  name: string;
  /** Number of epochs that the search has completed; null where there is no such draw. */
  epoch: number | null;
  /** Reason why there is no such draw. */
  reason?: string;
}

/** Facts of a search at one ratio. */
export interface SearchFacts {
  /** False where the search drew no masks at this ratio, so that nothing is known of its ticket. */
  followed: boolean;
  /** Number of epochs after which a ticket emerged; null where none did. */
  emergence: number | null;
  /** Number of epochs after which the test accuracy was the best of all. */
  best: number;
}

/** Reason why a ratio that was added to a study has no ticket. */
const NOT_FOLLOWED = 'the search was run without this ratio: --force searches again';

interface Settings {
  epochs: number;
  /** Epoch indexes from which on the learning rate is smaller. */
  schedule: readonly number[];
}

/** The requested draws in order; a missing one has its reason. */
export function drawsOf(
  asked: readonly (number | string)[],
  { epochs, schedule }: Settings,
  { followed, emergence, best }: SearchFacts,
): Draw[] {
  const within = (name: string, epoch: number): Draw =>
    epoch <= epochs
      ? { name, epoch }
      : { name, epoch: null, reason: `${epochsText(epoch)} are beyond --epochs ${epochs}` };
  const fromTicket = (name: string, times: number): Draw =>
    emergence === null
      ? { name, epoch: null, reason: followed ? `no ticket emerged within ${epochsText(epochs)}` : NOT_FOLLOWED }
      : within(name, times * emergence);
  const drops = [...new Set(schedule)].filter((epoch) => epoch > 0 && epoch < epochs).sort((a, b) => a - b);
  const named: Record<string, () => Draw[]> = {
    emergence: () => [fromTicket('emergence', 1)],
    '2x-emergence': () => [fromTicket('2x-emergence', 2)],
    'lr-drops': () => drops.map((epoch) => within(`lr-drop-${epoch}`, epoch)),
    best: () => [{ name: 'best', epoch: best }],
    last: () => [{ name: 'last', epoch: epochs }],
  };
  return asked.flatMap((one) => named[one]?.() ?? [within(String(one), Number(one))]);
}

/** Draws of tickets and of controls, each once. */
export function askedDraws({
  draws,
  controls,
  controlDraws,
}: {
  draws: readonly (number | string)[];
  controls: readonly string[];
  controlDraws: readonly (number | string)[];
}): (number | string)[] {
  return [...new Set([...draws, ...(controls.includes('none') ? [] : controlDraws)])];
}

/** Value of --keep-checkpoints for a search: the epochs whose weights no other file holds. */
export function keptEpochs(asked: readonly (number | string)[], settings: Settings): string {
  // Emergence and best have files of their own, so their values do not matter here.
  const draws = drawsOf(asked, settings, { followed: true, emergence: null, best: 0 });
  const epochs = draws.flatMap(({ name, epoch }) =>
    epoch !== null && epoch > 0 && epoch < settings.epochs && name !== 'best' ? epoch : [],
  );
  const list = [...new Set(epochs)].sort((a, b) => a - b).map(String);
  const all = asked.includes('2x-emergence') ? [...list, '2x'] : list;
  return all.length > 0 ? `at:${all.join(',')}` : 'none';
}
