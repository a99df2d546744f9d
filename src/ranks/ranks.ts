/**
 * The ranks of a training as this process sees them: it meets the others, rank 0 tells the rest what to do (leader.ts,
 * follower.ts), and when a collective fails they find out which rank caused it.
 */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EarlybirdError, type ErrorCode } from '../errors';
import type { NativeAddon } from '../native/types/addon';
import type { NativeGroup } from '../native/types/group';
import type { Place } from './place';

export interface RankOptions {
  /** Seconds that a collective waits for a rank. */
  rankTimeout: number;
  gradientDtype?: 'fp32' | 'bf16';
  syncBn?: boolean;
}

/** Facts that a rank states at the meeting, which must be equal on all ranks. */
export type Facts = Record<string, string>;

/** Words by which rank 0 tells the others what to do. */
export type Word =
  | { do: 'open'; settings: unknown; train: boolean }
  | { do: 'make'; id: number; what: 'model'; spec: unknown }
  | { do: 'make'; id: number; what: 'trainer'; model: number; options: unknown }
  | { do: 'make'; id: number; what: 'meter'; options: unknown }
  | { do: 'call'; on: number; method: string; args: unknown[] }
  | { do: 'end'; code?: string; message?: string };

interface Failure {
  code: ErrorCode;
  message: string;
}

/** A difference between this rank and rank 0. Its cause is known at once, so no rank is asked which one was lost. */
class Difference extends EarlybirdError {
  constructor(message: string) {
    super('ERR_RANKS', message);
  }
}

/**
 * Milliseconds that rank 0, whose store all ranks use, waits for each of the others to leave; fewer after a failure,
 * when they leave by themselves.
 */
const FAREWELL_MS = { done: 10_000, failed: 1000 };
/** Milliseconds that a failing rank waits to hear of the others, and between its questions. */
const ROLL_CALL_MS = 4000;
const ASK_MS = 200;
const LISTEN_MS = 1000;

export class Ranks implements Disposable {
  private said = 0;
  private asked = 0;

  private constructor(
    readonly place: Place,
    readonly group: NativeGroup,
    readonly options: RankOptions,
    private readonly hosts: string[],
  ) {}

  /** Meets the other ranks. Throws ERR_RANKS where they do not come, or state other facts than rank 0. */
  static async join(
    { addon, device }: { addon: NativeAddon; device: string },
    place: Place,
    options: RankOptions,
    facts: Facts,
  ): Promise<Ranks> {
    const { rank, size, host, port, serves, prefix } = place;
    const group = await addon.joinRanks({
      ...{ rank, size, host, port, serves, prefix },
      name: hostname(),
      address: await addressTowards(host),
      device,
      timeoutMs: options.rankTimeout * 1000,
      bf16Gradients: options.gradientDtype === 'bf16',
    });
    const all = (await group.gather(JSON.stringify([hostname(), facts]), 'the comparison of the ranks')).map(
      (text) => JSON.parse(text) as [string, Facts],
    );
    const ranks = new Ranks(
      place,
      group,
      options,
      all.map(([name]) => name),
    );
    const others = all.map(([, its]) => its);
    for (const [other, its] of others.entries()) ranks.requireSame(other, its, others[0]!);
    return ranks;
  }

  get leads(): boolean {
    return this.place.rank === 0;
  }

  hostOf(rank: number): string {
    return this.hosts[rank]!;
  }

  nameOf(rank: number): string {
    return `rank ${rank} on ${this.hostOf(rank)}`;
  }

  /** Throws ERR_RANKS where a rank states other facts than rank 0. */
  requireSame(rank: number, its: Facts, expected: Facts): void {
    const names = [...new Set([...Object.keys(its), ...Object.keys(expected)])];
    const name = names.find((one) => its[one] !== expected[one]);
    if (name === undefined) return;
    throw new Difference(
      `${this.nameOf(rank)} has ${name} ${its[name] ?? 'none'}, ${this.nameOf(0)} has ${expected[name] ?? 'none'}: all ranks need the same.`,
    );
  }

  /** On rank 0: tells the others a word. Words arrive in the order of the calls. */
  tell(word: Word): Promise<void> {
    return this.group.set(`word/${this.said++}`, JSON.stringify(word));
  }

  /** On the others: waits for the next word of rank 0, which also reports that rank 0 was asked to stop. */
  async listen(): Promise<Word> {
    while (true) {
      const text = await this.group.get(`word/${this.said}`, LISTEN_MS);
      if (text === null) continue;
      this.said++;
      return JSON.parse(text) as Word;
    }
  }

  /** Answers a word of rank 0, which collects the answers. */
  answer(facts: Facts): Promise<void> {
    return this.group.set(`answer/${this.asked++}/${this.place.rank}`, JSON.stringify(facts));
  }

  /** On rank 0: compares the answers of the others. Throws ERR_RANKS. */
  async compareAnswers(expected: Facts): Promise<void> {
    const question = this.asked++;
    for (let rank = 1; rank < this.place.size; rank++) {
      const text = await this.group.get(`answer/${question}/${rank}`, this.options.rankTimeout * 1000);
      if (text === null) {
        throw new Difference(
          `${this.nameOf(rank)} has not opened its images within ${this.options.rankTimeout} s (--rank-timeout).`,
        );
      }
      this.requireSame(rank, JSON.parse(text) as Facts, expected);
    }
  }

  /** On rank 0: sends the last word, and keeps the store until the others have heard it. */
  async end(failure?: Failure): Promise<void> {
    if (failure) await this.group.close();
    await this.tell({ do: 'end', ...(failure && { code: failure.code, message: failure.message }) });
    for (let rank = 1; rank < this.place.size; rank++)
      await this.group.get(`left/${rank}`, FAREWELL_MS[failure ? 'failed' : 'done']);
  }

  /** On the others: confirms the last word. */
  async takeLeave(): Promise<void> {
    await this.group.set(`left/${this.place.rank}`, '').catch(() => {});
  }

  /** Reports why this rank ends, so that the others need not guess. */
  async leave({ code, message }: Failure): Promise<void> {
    await this.group.set(`failed/${this.place.rank}`, JSON.stringify({ code, message })).catch(() => {});
  }

  /**
   * Explains an error of this rank for the user: where a collective failed, it names the rank that caused it, and
   * c10d's flight record is in `folder`.
   */
  async explain(error: unknown, folder: string | null): Promise<unknown> {
    const { code, message } = error as Failure;
    if (code !== 'ERR_RANKS' || error instanceof Difference) {
      await this.leave({ code: code ?? 'ERR_INTERNAL', message });
      return error;
    }
    const record = folder === null ? '' : await this.writeRecord(folder);
    const why = await this.rollCall();
    await this.leave({ code, message });
    await this.takeLeave();
    return new EarlybirdError('ERR_RANKS', why ? `${why}${record}` : `${message}${record}`, message);
  }

  /** Names the rank that failed or no longer answers; null where all answer. */
  private async rollCall(): Promise<string | null> {
    const { rank: own, size, host, port } = this.place;
    const others = Array.from({ length: size }, (_, rank) => rank).filter((rank) => rank !== own);
    const missing = new Set(others);
    try {
      await this.group.set(`here/${own}`, '');
      for (const end = Date.now() + ROLL_CALL_MS; missing.size > 0 && Date.now() < end; await sleep(ASK_MS)) {
        for (const rank of missing) {
          const failed = await this.group.get(`failed/${rank}`, 0);
          const failure = failed === null ? null : (JSON.parse(failed) as Failure);
          if (failure && failure.code !== 'ERR_RANKS')
            return `${this.nameOf(rank)} failed: ${failure.message} [${failure.code}]`;
          if (failure || (await this.group.get(`here/${rank}`, 0)) !== null) missing.delete(rank);
        }
      }
    } catch {
      return `${this.nameOf(0)} is gone, or its host or the network: its store at ${host}:${port} does not answer.`;
    }
    if (missing.size === 0) return null;
    const names = [...missing].map((rank) => this.nameOf(rank)).join(', ');
    return `${names} ${missing.size > 1 ? 'do' : 'does'} not answer: killed, hanging, or cut off from the network. The same command goes on from what is complete.`;
  }

  private async writeRecord(folder: string): Promise<string> {
    const file = join(folder, `flight-record-rank-${this.place.rank}.json`);
    try {
      await mkdir(folder, { recursive: true });
      await writeFile(file, this.group.flightRecord());
      return ` The latest collectives are in ${file}.`;
    } catch {
      return '';
    }
  }

  [Symbol.dispose](): void {
    this.group[Symbol.dispose]();
  }
}

const isLoopback = (address: string) => /^(::ffff:)?127\.|^::1$/.test(address);

/**
 * The address of this host for ranks on others. `found`: that from which it reaches `host`. Debian's /etc/hosts names
 * the own host by 127.0.1.1, where the others cannot reach it: then it is that of the network card `wanted`, or of the
 * first one. Throws ERR_RANKS where the card that is wanted has no address.
 */
export function addressForOthers(
  found: string,
  host: string,
  cards: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
  wanted = process.env.GLOO_SOCKET_IFNAME?.split(',')[0],
): string {
  if (!isLoopback(found) || host === 'localhost' || isLoopback(host)) return found;
  if (wanted && !cards[wanted])
    throw new EarlybirdError(
      'ERR_RANKS',
      `GLOO_SOCKET_IFNAME names ${wanted}, but this host has ${Object.keys(cards).join(', ')}: name one of these.`,
    );
  const outward = Object.values(cards).flatMap((all) => all!.filter(({ internal }) => !internal));
  const choice = wanted ? cards[wanted]! : outward;
  // An address of IPv6 that holds on its own cable only needs the name of the card beside it.
  const usable = choice.filter(({ address }) => !address.startsWith('fe80:'));
  const family = found.includes(':') ? 'IPv6' : 'IPv4';
  return (usable.find((one) => one.family === family) ?? usable[0])?.address ?? found;
}

/** The address from which this host reaches another one, which others should use for it. */
async function addressTowards(host: string): Promise<string> {
  const { address, family } = await lookup(host).catch((error: Error) => {
    throw new EarlybirdError('ERR_RANKS', `MASTER_ADDR ${host} has no address: ${error.message}.`);
  });
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    // No packet is sent: connecting asks the system for its route.
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(9, address, resolve);
    });
    return addressForOthers(socket.address().address, host);
  } catch (error) {
    if (error instanceof EarlybirdError) throw error;
    throw new EarlybirdError(
      'ERR_RANKS',
      `There is no way from this host to MASTER_ADDR ${host}: ${(error as Error).message}.`,
    );
  } finally {
    socket.close();
  }
}
