import type { Arch } from '../native/types/network-data';

/**
 * The networks as --arch names them: family for titles, default depth, and whether other depths exist. A network that
 * cpp/ builds can be trained without an entry here, but is then missing from help, and its title is its name. `dense`:
 * the network that it is a ticket of, where that has another name.
 */
const NETWORKS: Record<string, { family: string; depth: number; others?: true; dense?: string }> = {
  vgg: { family: 'VGG', depth: 19, others: true },
  resnet: { family: 'PreResNet', depth: 164, others: true },
  resnet18: { family: 'ResNet', depth: 18 },
  resnet34: { family: 'ResNet', depth: 34 },
  resnet50_official: { family: 'ResNet', depth: 50 },
  resnet50_prune: { family: 'ResNet', depth: 50, dense: 'resnet50_official' },
};

/**
 * Networks that come with the package as data, networks/NAME.json. A built-in network of the same name takes
 * precedence.
 */
const SHIPPED = [
  'alexnet_bn',
  'densenet40',
  'mobilenet_v2',
  'vgg16',
  'wide_resnet28_2',
  'wide_resnet28_4',
  'wide_resnet28_10',
];

export const isShipped = (arch: string): boolean => SHIPPED.includes(arch);

export const DEFAULT_NETWORK = 'vgg';

/** Default depth of a network. For a network that is data it is the number of its convolutions and linear layers. */
export function defaultDepth(arch: Arch): number {
  if (typeof arch === 'string') return (NETWORKS[arch] ?? NETWORKS[DEFAULT_NETWORK]!).depth;
  return arch.layers.filter(({ kind }) => kind === 'conv' || kind === 'linear').length;
}

/** The depth of a network that has only one; undefined where there are several, and for a network not listed here. */
export function onlyDepth(arch: Arch): number | undefined {
  if (typeof arch !== 'string') return defaultDepth(arch);
  const network = NETWORKS[arch];
  return network?.others ? undefined : network?.depth;
}

/** Name of a network in --arch; for a network that is data, its own name. */
export const archName = (arch: Arch): string => (typeof arch === 'string' ? arch : arch.name);

/** The network that tickets of `arch` are cut from. */
export const denseOf = (arch: Arch): Arch => (typeof arch === 'string' ? (NETWORKS[arch]?.dense ?? arch) : arch);

/**
 * Name of a network for titles: "PreResNet-101". With channel widths of its own (`--cfg`) a network is not the
 * published one of that depth.
 */
export function networkName(arch: Arch, depth: number, cfg?: readonly unknown[]): string {
  const network = typeof arch === 'string' ? NETWORKS[arch] : undefined;
  const family = network?.family ?? archName(arch);
  if (cfg) return `${family}, custom widths`;
  return network ? `${family}-${depth}` : family;
}

const entries = Object.entries(NETWORKS);

/** List of all networks for help, with the family where the name does not tell it. */
export const NETWORK_LIST = entries
  .map(([arch, { family }]) => (arch.startsWith(family.toLowerCase()) ? arch : `${arch} (${family})`))
  .concat(SHIPPED)
  .join(', ');

/** Default depths, for help, of networks that have several. */
export const DEPTH_LIST = entries
  .flatMap(([arch, { depth, others }]) => (others ? `${depth} for ${arch}` : []))
  .join(', ');
