/** Element types and their sizes in bytes. cpp/core/host_tensor.h has the same table; a test compares them. */
export const DTYPE_BYTES = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;

/** An element type, named as in PyTorch. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** A dense tensor: little-endian bytes in row-major (NCHW, PyTorch's contiguous) order. A scalar has shape []. */
export interface TensorData {
  dtype: Dtype;
  shape: number[];
  /** Bytes of the elements, exactly DTYPE_BYTES[dtype] * product(shape) of them. */
  data: Uint8Array;
}

/** Tensors by key, in the order of PyTorch's state_dict. */
export type StateDict = Map<string, TensorData>;

/**
 * The same bytes, copied where they do not begin at a multiple of `bytes`, as wider typed arrays demand. Files are read
 * into a Buffer, whose `slice` copies nothing.
 */
export const alignedTo = (bytes: number, data: Uint8Array): Uint8Array =>
  data.byteOffset % bytes === 0 ? data : new Uint8Array(data);
