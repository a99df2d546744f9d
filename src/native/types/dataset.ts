import type { TensorData } from '../../tensor';
import type { NativeHandle } from './handle';

export interface FilterSpec {
  kind: 'none' | 'lowpass' | 'highpass';
  sigma: number;
}

export interface DatasetSpec {
  /** uint8 (count, height, width, 3), kept on the device. */
  images: Uint8Array;
  labels: Int32Array;
  height: number;
  width: number;
  classes: number;
  device: string;
  mean: [number, number, number];
  std: [number, number, number];
  /** Zero padding for the random crop; 0 switches crop off. */
  padding: number;
  flip: boolean;
  filter: FilterSpec;
  /** Input threshold on [0,1] pixels (`--sparsity_gt`); 0 switches it off. */
  threshold: number;
}

/** Encoded images (JPEG) that threads of their own decode batch by batch, in the cores' spare time: ImageNet. */
export interface StreamSpec {
  /** Image files, or tar shards that hold many images each. */
  files: string[];
  /** Of each image: its file, and where in it its bytes lie. A length of -1 stands for the whole file. */
  file: Int32Array;
  offsets: Float64Array;
  lengths: Float64Array;
  labels: Int32Array;
  classes: number;
  device: string;
  mean: [number, number, number];
  std: [number, number, number];
  /** Side of the network's input, pixels. */
  size: number;
  /** train: random resized crop and flip. evaluate: shorter side to `resize`, then the centre. */
  transform: 'train' | 'evaluate';
  resize: number;
  /** Decoding threads. */
  workers: number;
  /** Images of one pass that may fail to decode; one more is an error. */
  maxBad: number;
  /** This process takes every `worldSize`-th image of the epoch's order, from `rank` on. */
  rank: number;
  worldSize: number;
}

export interface NativeDataset extends NativeHandle {
  readonly count: number;
  /** What the network would see for these image indexes at this epoch and seed: normalised float32 (n, 3, H, W), and labels. */
  batch(
    indexes: number[],
    options: { seed: number; epoch: number },
  ): Promise<{ images: TensorData; labels: Int32Array }>;
  /** Makes every batch of an epoch and throws it away: what the data alone can do, for benchmarks. */
  drain(options: { seed: number; epoch: number; batchSize: number; signal?: AbortSignal }): Promise<DrainResult>;
}

export interface DrainResult {
  images: number;
  seconds: number;
  bad: BadImage[];
}

/** An image that could not be decoded, and was left out of its batch. */
export interface BadImage {
  /** In the dataset's own order. */
  index: number;
  reason: string;
}
