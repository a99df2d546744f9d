/** Chooses and writes the files of an export. */
import { createReadStream, existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { stateDictValue } from '../checkpoint/keys';
import { writeCheckpoint } from '../checkpoint/pth';
import { writeSafetensors } from '../checkpoint/safetensors';
import { EarlybirdError } from '../errors';
import { EXPORT_ENDINGS } from '../recipe/export';
import type { ExportRecipe } from '../recipe/recipe';
import type { Graph } from './graph';
import { MODEL_PY_HEAD, type ModelPyOptions, modelPy } from './model-py';

const MODEL_PY = 'model.py';

/**
 * The file to write. Throws ERR_USAGE where it is the checkpoint itself, and for a folder whose model.py was not made
 * here.
 */
export async function outputOf({ checkpoint, out, format }: ExportRecipe): Promise<string> {
  const stem = checkpoint
    .replace(/[\\/]+$/, '')
    .replace(/(\.index\.json|\.pth\.tar|\.(pth|pt|tar|ckpt|bin|safetensors))+$/, '');
  const file = out ?? `${stem}${EXPORT_ENDINGS[format]}`;
  if (existsSync(file) && (await realpath(file)) === (await realpath(checkpoint)))
    throw new EarlybirdError('ERR_USAGE', `${file} is the checkpoint itself: name another file by --out.`);
  const module = join(dirname(file), MODEL_PY);
  if (format === 'state-dict' && existsSync(module) && !(await startsAs(module, MODEL_PY_HEAD)))
    throw new EarlybirdError(
      'ERR_USAGE',
      `${module} was not made by earlybird export and would be replaced: name a file in another folder by --out.`,
    );
  return file;
}

async function startsAs(file: string, head: string): Promise<boolean> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { end: head.length - 1 })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1') === head;
}

/** Writes the tensors alone, and beside a PyTorch file its model.py. `metadata` goes into safetensors files. */
export async function writeTensors(
  format: 'safetensors' | 'state-dict',
  file: string,
  graph: Graph,
  { metadata, ...options }: Omit<ModelPyOptions, 'weights'> & { metadata: Record<string, string> },
): Promise<string[]> {
  if (format === 'safetensors') {
    // Hugging Face's loaders require this entry, which names the framework of the tensors.
    await writeSafetensors(file, graph.tensors, Object.entries({ format: 'pt', ...metadata }), { makeFolder: true });
    return [file];
  }
  const module = join(dirname(file), MODEL_PY);
  await writeCheckpoint(file, stateDictValue(graph.tensors), { makeFolder: true });
  await writeFileAtomic(module, modelPy(graph, { ...options, weights: basename(file) }));
  return [file, module];
}
