/** A network that is data: a list of layers in forward order (docs/add-a-network.md). */
export interface NetworkData {
  /** Name for titles and messages. */
  name: string;
  /** Side of the images where none is given, pixels. */
  imageSize: number;
  /** Gammas of new BatchNorm layers. */
  gamma: number;
  /** Standard deviation of the weights of new linear layers, whose biases are 0 then; PyTorch's initialisation when absent. */
  linearDeviation?: number | undefined;
  /** Layers in forward order; the last one makes the logits. */
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
        /** Number of output channels; absent in a depthwise convolution, which has as many as it reads. */
        out?: number | undefined;
        kernel: number;
        stride: number;
        padding: number;
        groups: number;
        depthwise: boolean;
        bias: boolean;
      }
    | { kind: 'batchnorm' }
    /** Upper limit of the values. */
    | { kind: 'relu'; max?: number | undefined }
    /** `functional`: the FLOPs rule does not count it (docs/reference.md#11). */
    | { kind: 'maxpool'; kernel: number; stride: number; padding: number; functional: boolean }
    /** An average over all pixels where `kernel` is absent, else with a stride of that size. */
    | { kind: 'avgpool'; kernel?: number | undefined; functional: boolean }
    | { kind: 'linear'; out: number | 'classes' }
    | { kind: 'add' | 'concat' }
    /** A selection of channels, by which pruning drops inputs of a layer though other layers read all of them. */
    | { kind: 'select' }
  );
