/**
 * The networks as --arch names them: family for titles, default depth, and whether there are others. A network that cpp/ builds can be
 * trained without an entry here; it is then missing from help, and its title is its name. `dense`: what it is a ticket of, where that
 * has another name.
 */
const NETWORKS: Record<string, { family: string; depth: number; others?: true; dense?: string }> = {
  vgg: { family: 'VGG', depth: 19, others: true },
  resnet: { family: 'PreResNet', depth: 164, others: true },
  resnet18: { family: 'ResNet', depth: 18 },
  resnet34: { family: 'ResNet', depth: 34 },
  resnet50_official: { family: 'ResNet', depth: 50 },
  resnet50_prune: { family: 'ResNet', depth: 50, dense: 'resnet50_official' },
};

export const DEFAULT_NETWORK = 'vgg';

/** The depth of a network where none is given. */
export const defaultDepth = (arch: string): number => (NETWORKS[arch] ?? NETWORKS[DEFAULT_NETWORK]!).depth;

/** The network that tickets of `arch` are cut from. */
export const denseOf = (arch: string): string => NETWORKS[arch]?.dense ?? arch;

/** For titles: "PreResNet-101". With channel widths of its own (`--cfg`) a network is not the published one of that depth. */
export function networkName(arch: string, depth: number, cfg?: readonly unknown[]): string {
  const network = NETWORKS[arch];
  if (cfg) return `${network?.family ?? arch}, custom widths`;
  return network ? `${network.family}-${depth}` : arch;
}

const entries = Object.entries(NETWORKS);

/** For help: all names, with the family where the name does not say it. */
export const NETWORK_LIST = entries
  .map(([arch, { family }]) => (arch.startsWith(family.toLowerCase()) ? arch : `${arch} (${family})`))
  .join(', ');

/** For help: the default depths of networks that have several. */
export const DEPTH_LIST = entries
  .flatMap(([arch, { depth, others }]) => (others ? `${depth} for ${arch}` : []))
  .join(', ');
