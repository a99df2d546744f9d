import type { TensorData } from '../../tensor';
import type { NativeHandle } from './handle';

/** A Gaussian filter of the input images (docs/reference.md#3). */
export interface FilterSpec {
  kind: 'none' | 'lowpass' | 'highpass';
  /** Standard deviation in pixels. */
  sigma: number;
}

/** A data set that lies on the device as a whole. */
export interface DatasetSpec {
  /** uint8 of shape (count, height, width, 3), RGB. */
  images: Uint8Array;
  /** Labels of shape (count), each in [0, classes). */
  labels: Int32Array;
  height: number;
  width: number;
  classes: number;
  device: string;
  /** Mean of each channel, of pixels scaled to [0, 1]. */
  mean: [number, number, number];
  /** Standard deviation of each channel, of pixels scaled to [0, 1]. */
  std: [number, number, number];
  /** Zero padding for the random crop, pixels; 0 switches the crop off. */
  padding: number;
  /** True for a random horizontal flip of training images. */
  flip: boolean;
  filter: FilterSpec;
  /** Pixels of [0, 1] that are not above it become 0 (`--sparsity_gt`); 0 switches this off. */
  threshold: number;
  /** Rank of this process among the ranks that share the batches. */
  rank?: number;
  /** Number of these ranks; 1 when absent. */
  worldSize?: number;
}

/** JPEG images on disk that decoding threads turn into batches during training. */
export interface StreamSpec {
  /** Image files, or tar shards that hold many images each. */
  files: string[];
  /** Index into `files` for each image. */
  file: Int32Array;
  /** First byte of each image in its file. */
  offsets: Float64Array;
  /** Number of bytes of each image; -1 for the whole file. */
  lengths: Float64Array;
  /** Labels of shape (count), each in [0, classes). */
  labels: Int32Array;
  classes: number;
  device: string;
  /** Mean and standard deviation of each channel, of pixels scaled to [0, 1]. */
  mean: [number, number, number];
  std: [number, number, number];
  /** Side of the network's input, pixels. */
  size: number;
  /**
   * Transform of the images. train: random resized crop and flip. evaluate: shorter side scaled to `resize` pixels,
   * then the centre.
   */
  transform: 'train' | 'evaluate';
  resize: number;
  /** Number of decoding threads. */
  workers: number;
  /** Number of images that may fail to decode in one pass; one more is ERR_DATASET. */
  maxBad: number;
  /** See {@link DatasetSpec}. */
  rank?: number;
  worldSize?: number;
}

/** A data set on the device, or a stream from disk. */
export interface NativeDataset extends NativeHandle {
  /** Number of images. */
  readonly count: number;
  /** The network's input for these images at this epoch and seed: normalised float32 of shape (n, 3, H, W), and labels. */
  batch(
    indexes: number[],
    options: { seed: number; epoch: number },
  ): Promise<{ images: TensorData; labels: Int32Array }>;
  /** Makes every batch of an epoch without training: the speed of the data alone, for benchmarks. */
  drain(options: { seed: number; epoch: number; batchSize: number; signal?: AbortSignal }): Promise<DrainResult>;
}

/** Result of {@link NativeDataset.drain}. */
export interface DrainResult {
  images: number;
  seconds: number;
  bad: BadImage[];
}

/** An image that could not be decoded and was left out of its batch. */
export interface BadImage {
  /** Index in the data set. */
  index: number;
  reason: string;
}
