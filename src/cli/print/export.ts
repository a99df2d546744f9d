/** The result of `export` as text, for people. */
import type { ExportResult } from '../../export/export';
import { networkName } from '../../network/names';

export function exportText(result: ExportResult): string {
  const { files, format, arch, depth, classes, input, parameters, flops, folded, opset, compared, speed } = result;
  const lines = [
    `${files.join(', ')}: ${opset === null ? format : `ONNX, opset ${opset}`}`,
    `${networkName(arch, depth)}, ${classes} classes, images of ${input.join(' x ')}, any batch`,
    `${parameters.toLocaleString('en')} parameters, ${flops.toLocaleString('en')} FLOPs an image`,
  ];
  if (folded > 0) lines.push(`${folded} BatchNorm layers are folded into convolutions`);
  if (compared)
    lines.push(
      `logits of ${compared.images} images in onnxruntime ${compared.runtime}: within ${compared.difference.toExponential(1)} of the largest`,
    );
  return [...lines, ...(speed ? speedLines(speed, flops) : [])].join('\n');
}

function speedLines(
  { runtime, batchSize, network, dense, ratio, denseFlops }: NonNullable<ExportResult['speed']>,
  flops: number,
): string[] {
  const rate = ({ median, low, high }: typeof network) =>
    `${median.toFixed(1)} images/s (${low.toFixed(1)} to ${high.toFixed(1)})`;
  const head = `onnxruntime ${runtime}, CPU, batches of ${batchSize}:`;
  if (!dense) return [head, `  this network  ${rate(network)}; it is the dense one`];
  const share = ((100 * flops) / denseFlops!).toFixed(1);
  return [
    head,
    `  dense network ${rate(dense)}`,
    `  this network  ${rate(network)}, ${ratio!.toFixed(2)} times as many with ${share} % of the FLOPs`,
  ];
}
