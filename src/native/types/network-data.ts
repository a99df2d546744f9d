/** A network that is data: a list of layers in forward order (docs/add-a-network.md). */
export interface NetworkData {
  /** For titles and messages. */
  name: string;
  /** Side of the images where none is given, pixels. */
  imageSize: number;
  /** Gammas of new BatchNorm layers. */
  gamma: number;
  /** Standard deviation of the weights of new linear layers, whose biases are 0 then; PyTorch's initialisation when absent. */
  linearDeviation?: number | undefined;
  /** The last one makes the logits. */
  layers: LayerData[];
}

/** A network by the name of a built-in one, or as data. */
export type Arch = string | NetworkData;

interface Layer {
  /** Key of its weights in the state dict. */
  name: string;
  /** Names of layers listed before; "image" is the input of the network. */
  inputs: string[];
}

/** A layer with all that it computes. */
export type LayerData = Layer &
  (
    | {
        kind: 'conv';
        /** Channels; absent in a depthwise convolution, which has as many as enter it. */
        out?: number | undefined;
        kernel: number;
        stride: number;
        padding: number;
        groups: number;
        depthwise: boolean;
        bias: boolean;
      }
    | { kind: 'batchnorm' }
    /** Values above `max` become it. */
    | { kind: 'relu'; max?: number | undefined }
    /** `functional`: the FLOPs rule does not count it (docs/reference.md#11). */
    | { kind: 'maxpool'; kernel: number; stride: number; padding: number; functional: boolean }
    /** Over all pixels where `kernel` is absent; else with a stride of the same size. */
    | { kind: 'avgpool'; kernel?: number | undefined; functional: boolean }
    | { kind: 'linear'; out: number | 'classes' }
    | { kind: 'add' | 'concat' }
    /** Channels that pruning takes from what others read whole. */
    | { kind: 'select' }
  );
