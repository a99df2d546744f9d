import type { NativeHandle } from './handle';

/** Options of {@link NativeAddon.joinRanks}. */
export interface JoinOptions {
  /** Number of this rank, from 0 to `size` - 1. */
  rank: number;
  /** Number of ranks. */
  size: number;
  /** Host of the store that the ranks share. */
  host: string;
  port: number;
  /** True where this process opens the store, rather than being a client of one. */
  serves: boolean;
  /** Prefix of all keys. */
  prefix: string;
  /** The name of this host, for messages. */
  name: string;
  /** The address of this host as the others reach it. */
  address: string;
  /** Device of the network: "cpu", "cuda" or "cuda:N"; no two ranks share a GPU. */
  device: string;
  /** Milliseconds that a collective waits for a rank. */
  timeoutMs: number;
  /** True where gradients are exchanged as bfloat16. */
  bf16Gradients?: boolean;
}

/** The processes that train together (c10d: Gloo and NCCL, with a TCPStore). */
export interface NativeGroup extends NativeHandle {
  /** Writes a word to the store that all ranks read. ERR_RANKS where the store is gone. */
  set(key: string, value: string): Promise<void>;
  /** Waits at most `waitMs` for a word; null where it does not come. ERR_RANKS where the store is gone. */
  get(key: string, waitMs: number): Promise<string | null>;
  /** The texts of all ranks, in their order. Every rank must call it; `what` names the call in errors. ERR_RANKS. */
  gather(text: string, what: string): Promise<string[]>;
  /** Closes the connections of collectives, so that ranks waiting in one fail at once; the store stays open. */
  close(): Promise<void>;
  /**
   * Traffic since the meeting: seconds in which this rank only waited for others, and bytes that it gave to be summed.
   */
  traffic(): Promise<{ waited: number; bytes: number }>;
  /** The latest collectives with their state, as JSON of c10d's flight recorder. */
  flightRecord(): string;
}
