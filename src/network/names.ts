const DEPTHS: Record<string, number> = {
  vgg: 19,
  resnet: 164,
  resnet18: 18,
  resnet34: 34,
  resnet50_official: 50,
  resnet50_prune: 50,
};
/** The depth a network has when none is given. */
export function defaultDepth(arch: string): number {
  return DEPTHS[arch] ?? 19;
}

export function networkName(arch: string, depth: number): string {
  const families: Record<string, string> = {
    vgg: 'VGG',
    resnet: 'PreResNet',
    resnet18: 'ResNet',
    resnet34: 'ResNet',
    resnet50_official: 'ResNet',
    resnet50_prune: 'ResNet',
  };
  return families[arch] ? `${families[arch]}-${depth}` : arch;
}
