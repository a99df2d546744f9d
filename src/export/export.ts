/** Exports a checkpoint as ONNX, safetensors, or a plain PyTorch file with the module that builds its network. */
import { basename } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { extrasMetadata } from '../checkpoint/extras';
import type { Value } from '../checkpoint/value';
import { openEngine } from '../engine/device';
import type { Cfg, ModelDescription, ModelSpec } from '../native/types/model';
import { costsOf } from '../network/flops';
import { loadModel } from '../network/load';
import { archName, denseOf, networkName } from '../network/names';
import { packageVersion } from '../package';
import { type ExportRecipe, requireParsed } from '../recipe/recipe';
import { modelInfo, type Normalisation, networkEntries, networkFor, weightsOf } from '../run/checkpoint-network';
import { completedOf } from '../run/completed';
import { readGiven } from '../run/given';
import type { RunOptions } from '../run/observer';
import { type Compared, compareLogits, type ExportSpeed, timeBoth } from './check';
import { foldNorms } from './fold';
import { graphOf } from './graph';
import { OPSET, onnxBytes } from './onnx';
import { outputOf, writeTensors } from './output';
import { loadRuntime, requireRuntime } from './runtime';

/** Result of {@link exportCheckpoint}. */
export interface ExportResult {
  checkpoint: string;
  format: ExportRecipe['format'];
  /** Paths written: the file of the network, and model.py for state-dict. */
  files: string[];
  arch: string;
  depth: number;
  cfg: Cfg;
  classes: number;
  /** Shape of an image, [channels, height, width]; the batch is open. */
  input: [number, number, number];
  parameters: number;
  /** Forward FLOPs of one image. */
  flops: number;
  /** Number of BatchNorm layers that were folded into convolutions. */
  folded: number;
  /** ONNX operator set; null for the other formats. */
  opset: number | null;
  /** Comparison with onnxruntime; null where that is not installed, and for the other formats. */
  compared: Compared | null;
  speed: ExportSpeed | null;
}

/**
 * Writes the network of `recipe.checkpoint` for other programs. Logits of an ONNX file are compared with this program's before it is
 * written, where onnxruntime-node is installed.
 *
 * @param recipe from `parseRecipe('export', ...)`
 * @throws ERR_FILE, ERR_CHECKPOINT for a file that cannot be read; ERR_NUMERIC where the logits differ, and nothing
 *   is written
 *
 * @example
 * const recipe = parseRecipe('export', { checkpoint: 'ticket/pruned.pth.tar', foldBn: true });
 * const { files, compared } = await exportCheckpoint(recipe); // ['ticket/pruned.onnx']
 */
export async function exportCheckpoint(recipe: ExportRecipe, options: RunOptions = {}): Promise<ExportResult> {
  requireParsed('export', recipe);
  const { checkpoint, format, measure } = recipe;
  const log = (line: string) => options.observer?.log?.(line);
  const { value } = await readGiven(checkpoint, 'checkpoint', { key: recipe.key });
  const file = await outputOf(recipe);
  const runtime = format === 'onnx' || measure ? loadRuntime() : '';
  if (measure) requireRuntime(runtime);

  const { addon } = openEngine({ device: 'cpu', noCuda: true, threads: recipe.threads }, log);
  const network = networkFor(recipe, value, checkpoint);
  const { arch, depth, cfg, classes = 10, normalisation, formats } = network;
  if (formats)
    log(`${checkpoint} is of low precision: its weights are exported as it holds them, and no operands are rounded`);
  const imageSize = recipe.imageSize ?? network.imageSize;
  const spec: ModelSpec = { arch, depth, classes, seed: 1, device: 'cpu', ...(imageSize && { imageSize }) };
  using model = await loadModel(
    addon,
    { ...spec, ...(cfg && { cfg }) },
    weightsOf(arch, value, checkpoint, log),
    checkpoint,
  );
  const description = model.describe();
  const whole = graphOf(description, await model.stateDict());
  const { folded, ...graph } = recipe.foldBn ? foldNorms(whole) : { folded: 0, ...whole };
  const { parameters, flops } = await costsOf(model);
  const { input } = description;
  const facts = factsOf(description, normalisation, basename(checkpoint), parameters);

  const onnx = format === 'onnx' || measure ? await onnxBytes(graph, { ...facts, input, classes }) : new Uint8Array();
  const compared = format === 'onnx' ? await compareLogits(runtime, onnx, model, log) : null;
  let speed: ExportSpeed | null = null;
  if (measure) {
    using dense = await addon.createModel({ ...spec, arch: denseOf(arch) });
    const { cfg: widths } = dense.describe();
    const other = await onnxBytes(graphOf(dense.describe(), await dense.stateDict()), { ...facts, input, classes });
    const isDense = widths.join() === description.cfg.join();
    const networks = { onnx, dense: isDense ? null : { onnx: other, flops: (await costsOf(dense)).flops } };
    speed = await timeBoth(requireRuntime(runtime), networks, input, recipe, options.signal);
  }
  if (format === 'onnx') await writeFileAtomic(file, onnx, { makeFolder: true });
  const record: [string, Value][] = [
    ...networkEntries(modelInfo(description, formats, normalisation)),
    ['completed', completedOf(value, checkpoint)],
  ];
  const metadata = { ...facts.metadata, ...extrasMetadata(record) };
  const files =
    format === 'onnx' ? [file] : await writeTensors(format, file, graph, { ...facts, input, normalisation, metadata });
  return {
    checkpoint,
    format,
    files,
    ...{ arch: archName(arch), depth, cfg: description.cfg, classes, input, parameters, flops, folded },
    opset: format === 'onnx' ? OPSET : null,
    compared,
    speed,
  };
}

/** Facts of a network as text, for its files. */
function factsOf(
  { arch, depth, classes, cfg, input }: ModelDescription,
  normalisation: Normalisation | undefined,
  source: string,
  parameters: number,
) {
  const version = packageVersion();
  const title = `${networkName(arch, depth)} of ${source}, ${parameters.toLocaleString('en')} parameters, ${classes} classes`;
  const metadata: Record<string, string> = {
    ...{
      arch: archName(arch),
      depth: String(depth),
      classes: String(classes),
      cfg: JSON.stringify(cfg),
      image_size: String(input[1]),
    },
    ...(normalisation && { mean: JSON.stringify(normalisation.mean), std: JSON.stringify(normalisation.std) }),
  };
  return { name: `${archName(arch)}-${depth}`, title, version, metadata };
}
