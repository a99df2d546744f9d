/** Writes the Python module that builds an exported network from its PyTorch file, without this program. */
import { IMAGE } from '../network/schema';
import { type Graph, type Operation, tensorOf } from './graph';

export interface ModelPyOptions {
  /** Description of the network, for the head of the module. */
  title: string;
  /** Name of the file of weights in the same folder. */
  weights: string;
  /** Shape of an image, [channels, height, width]. */
  input: readonly [number, number, number];
  /** Normalisation of pixels from 0 to 1; undefined where the checkpoint does not record it. */
  normalisation: { mean: readonly number[]; std: readonly number[] } | undefined;
}

/** First characters of the module. A file that begins otherwise was not made here. */
export const MODEL_PY_HEAD = '"""Made by earlybird export: ';

export function modelPy({ operations, tensors }: Graph, options: ModelPyOptions): string {
  const rows = operations.map(
    (one) => `        (${[JSON.stringify(one.name), moduleOf(one, tensors), ...one.inputs.map(quoted)].join(', ')}),`,
  );
  const uses = (op: Operation['op']) => operations.some((one) => one.op === op);
  return `${[
    head(options),
    '',
    'from pathlib import Path',
    '',
    'import torch',
    'from torch import nn',
    ...(uses('select') ? SELECT : []),
    ...(uses('add') ? ADD : []),
    ...(uses('concat') ? CONCAT : []),
    '',
    '',
    'def layers():',
    '    """Name, layer, and the names of what it reads, in the order of the forward pass."""',
    '    return [',
    ...rows,
    '    ]',
    ...NETWORK,
    ...loader(options.weights),
  ].join('\n')}\n`;
}

function head({ title, input, normalisation }: ModelPyOptions): string {
  const [channels, height, width] = input;
  const scaled = normalisation
    ? `pixels from 0 to 1, then (x - mean) / std\nwith mean = (${normalisation.mean.join(', ')}) and std = (${normalisation.std.join(', ')})`
    : 'normalised as in training';
  return `${MODEL_PY_HEAD}${title}.

    from model import load
    network = load()          # with its weights, in evaluation mode; load().train() trains it on
    logits = network(images)  # images: (batch, ${channels}, ${height}, ${width})

Images are RGB, ${scaled}.
"""`;
}

const SELECT = [
  '',
  '',
  'class Select(nn.Module):',
  '    """Lets the channels through whose entry in `indexes` is not 0."""',
  '',
  '    def __init__(self, width):',
  '        super().__init__()',
  '        self.register_buffer("indexes", torch.ones(width))',
  '',
  '    def forward(self, x):',
  '        return x[:, self.indexes != 0]',
];

const ADD = ['', '', 'class Add(nn.Module):', '    def forward(self, x, y):', '        return x + y'];

const CONCAT = ['', '', 'class Concat(nn.Module):', '    def forward(self, *x):', '        return torch.cat(x, 1)'];

const NETWORK = [
  '',
  '',
  'class Network(nn.Module):',
  '    def __init__(self):',
  '        super().__init__()',
  '        self.steps = [(name, inputs) for name, _, *inputs in layers()]',
  '        for name, layer, *_ in layers():',
  '            *path, last = name.split(".")',
  '            place = self',
  '            for part in path:',
  '                if part not in place._modules:',
  '                    place.add_module(part, nn.Module())',
  '                place = place._modules[part]',
  '            place.add_module(last, layer)',
  '',
  '    def forward(self, images):',
  `        results = {"${IMAGE}": images}`,
  '        for name, inputs in self.steps:',
  '            results[name] = self.get_submodule(name)(*(results[i] for i in inputs))',
  '        return results[name]',
];

const loader = (weights: string) => [
  '',
  '',
  `def load(weights=Path(__file__).with_name(${JSON.stringify(weights)})):`,
  '    network = Network()',
  '    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))',
  '    return network.eval()',
];

/** The PyTorch module of an operation, with the sizes of its tensors. */
function moduleOf(one: Operation, tensors: Graph['tensors']): string {
  const shape = (name: string) => tensorOf(tensors, one.key, name).shape;
  const bias = tensors.has(`${one.key}.bias`) ? '' : ', bias=False';
  switch (one.op) {
    case 'conv': {
      const [out, width] = shape('weight') as [number, number];
      const { kernel, stride, padding, groups } = one;
      const more = `${padding ? `, padding=${padding}` : ''}${groups > 1 ? `, groups=${groups}` : ''}${bias}`;
      return `nn.Conv2d(${width * groups}, ${out}, ${kernel}${stride > 1 ? `, stride=${stride}` : ''}${more})`;
    }
    case 'batchnorm':
      return `nn.BatchNorm2d(${shape('weight')[0]}, eps=${one.eps})`;
    case 'linear':
      return `nn.Linear(${[...shape('weight')].reverse().join(', ')}${bias})`;
    case 'maxpool':
    case 'avgpool': {
      const name = one.op === 'maxpool' ? 'MaxPool2d' : 'AvgPool2d';
      return `nn.${name}(${one.kernel}, stride=${one.stride}${one.padding ? `, padding=${one.padding}` : ''})`;
    }
    case 'select':
      return `Select(${shape('indexes')[0]})`;
    case 'relu':
      return one.max === undefined ? 'nn.ReLU()' : `nn.Hardtanh(0.0, ${one.max})`;
    case 'add':
      return 'Add()';
    case 'concat':
      return 'Concat()';
    default:
      return 'nn.Flatten()';
  }
}

const quoted = (name: string) => JSON.stringify(name);
