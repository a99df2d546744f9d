/**
 * A model of a training step on several ranks: computing, and sums of gradients that go on behind it. docs/scaling.md holds it against
 * measurements and says what it predicts. Seconds and bytes throughout.
 */

/** A way between two ranks, as one of them sees it. */
export interface Link {
  bytesPerSecond: number;
  /** Of one message. */
  latency: number;
}

/** Nodes of `perNode` ranks. Each rank has a way of its own to the other nodes. */
export interface Cluster {
  perNode: number;
  within: Link;
  between: Link;
}

/** A step of one rank. */
export interface RankStep {
  forward: number;
  backward: number;
  /** Gradients of one bucket in the order of the backward pass: its bytes, and the share of the backward pass after which it is whole. */
  buckets: readonly { bytes: number; ready: number }[];
  /** Small sums that the step waits for, one after the other: its beginning, and two for each BatchNorm with --sync-bn. */
  smallSums: number;
}

export interface ScaledStep {
  seconds: number;
  /** Of it, time in which the rank only waits. */
  waiting: number;
  /** Images a second of all ranks over as many times those of one rank alone. */
  efficiency: number;
}

/** Ring all-reduce: every rank sends and receives 2 (n - 1) messages of 1/n of the bytes (Patarasuk and Yuan, 2009). */
export function ringSeconds(bytes: number, ranks: number, { bytesPerSecond, latency }: Link): number {
  return ranks < 2 ? 0 : 2 * (ranks - 1) * (latency + bytes / ranks / bytesPerSecond);
}

/**
 * Sum of `bytes` over all ranks. Over several nodes: scattered within each node, a ring between nodes for each part, gathered within the
 * node; every rank of a node sends its part on its own way.
 */
export function sumSeconds(bytes: number, ranks: number, { perNode, within, between }: Cluster): number {
  const nodes = Math.ceil(ranks / perNode);
  if (nodes < 2) return ringSeconds(bytes, ranks, within);
  return ringSeconds(bytes, perNode, within) + ringSeconds(bytes / perNode, nodes, between);
}

/** The step on `ranks` ranks. A bucket's sum begins when it is whole and the one before it is done. */
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

/** Buckets of at most `limit` bytes, the first one of `first`, of parameters in the order of the backward pass. */
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
