/** Infers a network from the keys and shapes of its weights, as files of other programs record nothing else. */
import type { Cfg } from '../native/types/model';
import type { Arch } from '../native/types/network-data';
import type { StateDict } from '../tensor';

/** A network as its weights show it. */
export interface InferredNetwork {
  arch: string;
  depth: number;
  /** Channel widths, in the form of a ticket's cfg. */
  cfg: Cfg;
  classes: number | undefined;
}

const CONVOLUTIONS_BEFORE_DEPTH = 3;

/** The network that weights belong to; undefined for none of ours. */
export function inferNetwork(state: StateDict): InferredNetwork | undefined {
  const network = vgg(state) ?? residual(state);
  return network && { ...network, classes: classesOf(state) };
}

/** True where weights of `seen` can be those of `arch`. The two ResNet-50 have the same keys. */
export function isSameNetwork(seen: string, arch: Arch): boolean {
  const family = (name: string) => name.replace(/^resnet50_.*/, 'resnet50');
  return typeof arch === 'string' && family(seen) === family(arch);
}

/** Number of rows of the last linear layer. */
export function classesOf(state: StateDict): number | undefined {
  const key = [...state.keys()].find((name) => /(^|\.)(classifier|fc)(\.\d+)*\.bias$/.test(name));
  return key === undefined ? undefined : state.get(key)!.shape[0];
}

type Network = Omit<InferredNetwork, 'classes'>;

/** Widths of a VGG: convolution, norm and activation take three indexes of `feature`, a pool takes one. */
function vgg(state: StateDict): Network | undefined {
  const cfg: Cfg = [];
  let next = 0;
  const indexes = [...state.keys()].flatMap((key) => /^feature\.(\d+)\.weight$/.exec(key)?.[1] ?? []).map(Number);
  for (const index of indexes.sort((a, b) => a - b)) {
    const { shape } = state.get(`feature.${index}.weight`)!;
    if (shape.length !== 4) continue;
    for (; next < index; next++) cfg.push('M');
    if (next !== index || cfg.length > 200) return undefined;
    cfg.push(shape[0]!);
    next += 3;
  }
  const convolutions = cfg.filter((width) => width !== 'M').length;
  if (convolutions === 0) return undefined;
  return { arch: 'vgg', depth: convolutions + CONVOLUTIONS_BEFORE_DEPTH, cfg };
}

/** Kinds of ResNets, told by whether they have bottlenecks and by their number of blocks in each stage. */
const RESNETS: readonly { arch: string; depth: number; bottleneck: boolean; blocks: string }[] = [
  { arch: 'resnet18', depth: 18, bottleneck: false, blocks: '2,2,2,2' },
  { arch: 'resnet34', depth: 34, bottleneck: false, blocks: '3,4,6,3' },
  { arch: 'resnet50_official', depth: 50, bottleneck: true, blocks: '3,4,6,3' },
];
const STAGE_PLANES = [64, 128, 256, 512];

function residual(state: StateDict): Network | undefined {
  const keys = [...state.keys()].flatMap((key) => /^(layer(\d)\.\d+)\.conv1\.weight$/.exec(key)?.[1] ?? []);
  const stages = [1, 2, 3, 4].map((stage) => keys.filter((key) => key.startsWith(`layer${stage}.`)).length);
  const bottleneck = state.has('layer1.0.conv3.weight');
  const last = state.get('fc.weight')?.shape[1];
  if (keys.length === 0 || last === undefined) return undefined;
  const rows = (key: string) => state.get(`${key}.weight`)?.shape[0] ?? 0;
  const columns = (key: string) => state.get(`${key}.weight`)?.shape[1] ?? 0;
  const blocks = bottleneck
    ? keys.flatMap((key) => [columns(`${key}.conv1`), rows(`${key}.conv1`), rows(`${key}.conv2`)])
    : keys.flatMap((key) => [columns(`${key}.conv1`), rows(`${key}.conv1`)]);
  // PreResNet has its BatchNorm at the end, the others at the beginning.
  if (state.has('bn.weight') && bottleneck && stages[3] === 0 && stages.slice(0, 3).every((n) => n === stages[0]))
    return { arch: 'resnet', depth: 9 * stages[0]! + 2, cfg: [...blocks, last] };
  const known = RESNETS.find((one) => one.bottleneck === bottleneck && one.blocks === stages.join(','));
  if (!known || !state.has('bn1.weight')) return undefined;
  if (!bottleneck) return { arch: known.arch, depth: known.depth, cfg: [...blocks, last] };
  const cfg = [rows('conv1'), ...blocks];
  return { arch: cfg.join() === standard50() ? known.arch : 'resnet50_prune', depth: known.depth, cfg };
}

/** Channel widths of the published ResNet-50. */
function standard50(): string {
  let width = 64;
  const blocks = STAGE_PLANES.flatMap((planes, stage) =>
    Array.from({ length: [3, 4, 6, 3][stage]! }, () => {
      const entries = [width, planes, planes];
      width = 4 * planes;
      return entries;
    }).flat(),
  );
  return [64, ...blocks].join();
}
