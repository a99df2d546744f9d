/**
 * A model of a training step on several ranks: computation, with sums of gradients running behind it. docs/scaling.md
 * compares it with measurements and gives its predictions. Seconds and bytes throughout.
 */

/** A connection between two ranks, as one of them sees it. */
export interface Link {
  bytesPerSecond: number;
  /** Seconds of one message. */
  latency: number;
}

/** Nodes of `perNode` ranks. Each rank has its own connection to the other nodes. */
export interface Cluster {
  perNode: number;
  within: Link;
  between: Link;
}

/** Work of one rank in a step. */
export interface RankStep {
  forward: number;
  backward: number;
  /**
   * Gradients of each bucket in the order of the backward pass: its bytes, and the share of the backward pass after
   * which it is complete.
   */
  buckets: readonly { bytes: number; ready: number }[];
  /**
   * Number of small sums that the step waits for one after the other: one at its beginning, and two for each BatchNorm
   * with --sync-bn.
   */
  smallSums: number;
}

export interface ScaledStep {
  seconds: number;
  /** Part of `seconds` in which the rank only waits. */
  waiting: number;
  /** Images a second of all ranks over those of one rank alone times the number of ranks. */
  efficiency: number;
}

/**
 * Time of a ring all-reduce: every rank sends and receives 2 (n - 1) messages of 1/n of the bytes (Patarasuk and Yuan,
 * 2009).
 */
export function ringSeconds(bytes: number, ranks: number, { bytesPerSecond, latency }: Link): number {
  return ranks < 2 ? 0 : 2 * (ranks - 1) * (latency + bytes / ranks / bytesPerSecond);
}

/**
 * Time to sum `bytes` over all ranks. With several nodes the data is scattered within each node, each part is summed in
 * a ring between nodes, and gathered within the node; every rank of a node sends its part on its own connection.
 */
export function sumSeconds(bytes: number, ranks: number, { perNode, within, between }: Cluster): number {
  const nodes = Math.ceil(ranks / perNode);
  if (nodes < 2) return ringSeconds(bytes, ranks, within);
  return ringSeconds(bytes, perNode, within) + ringSeconds(bytes / perNode, nodes, between);
}

/** The step on `ranks` ranks. The sum of a bucket begins when the bucket is complete and the sum before it is done. */
export function stepOn(
  { forward, backward, buckets, smallSums }: RankStep,
  ranks: number,
  cluster: Cluster,
): ScaledStep {
  const alone = forward + backward;
  if (ranks < 2) return { seconds: alone, waiting: 0, efficiency: 1 };
  let done = 0;
  for (const { bytes, ready } of buckets)
    done = Math.max(done, forward + ready * backward) + sumSeconds(bytes, ranks, cluster);
  const waiting = Math.max(0, done - alone) + smallSums * sumSeconds(8, ranks, cluster);
  return { seconds: alone + waiting, waiting, efficiency: alone / (alone + waiting) };
}

/**
 * Buckets of parameters in the order of the backward pass, the first of at most `first` bytes, the others of at most
 * `limit`.
 */
export function bucketsOf(
  parameters: readonly { bytes: number; ready: number }[],
  { first, limit }: { first: number; limit: number },
): RankStep['buckets'] {
  const out: { bytes: number; ready: number }[] = [];
  let open = { bytes: 0, ready: 0 };
  for (const { bytes, ready } of parameters) {
    open = { bytes: open.bytes + bytes, ready };
    if (open.bytes < (out.length === 0 ? first : limit)) continue;
    out.push(open);
    open = { bytes: 0, ready };
  }
  return open.bytes > 0 ? [...out, open] : out;
}
