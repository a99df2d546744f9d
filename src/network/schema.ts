/**
 * The form of a network that is data. Shapes and channels are checked where the network is built
 * (cpp/model/channels.h).
 */
import { z } from 'zod';
import { EarlybirdError, type ErrorCode } from '../errors';
import type { LayerData, NetworkData } from '../native/types/network-data';

/** Name of the network's input among the names of layers, which no layer can have. */
export const IMAGE = 'image';

const MOST_LAYERS = 10_000;
const size = (minimum = 1) => z.number().int().min(minimum).max(65_536);
const kernel = z.number().int().min(1).max(1024);
const stride = z.number().int().min(1).max(1024).default(1);
const padding = z.number().int().min(0).max(1024).default(0);
const functional = z.boolean().default(false);

const name = z
  .string()
  .max(200)
  .regex(/^\w+(\.\w+)*$/, 'must be letters, digits and _, with dots between parts')
  .refine((text) => text !== IMAGE, `must not be "${IMAGE}", which is the input of the network`);
const layer = <K extends string, T extends z.ZodRawShape>(kind: K, fields: T) =>
  z.strictObject({ name, kind: z.literal(kind), inputs: z.array(z.string()).min(1).max(1000).optional(), ...fields });

const LAYER = z.discriminatedUnion('kind', [
  layer('conv', {
    out: size().optional(),
    kernel,
    stride,
    padding,
    groups: size().default(1),
    depthwise: z.boolean().default(false),
    bias: z.boolean().default(false),
  }).refine(({ out, depthwise, groups }) => depthwise === (out === undefined) && !(depthwise && groups > 1), {
    path: ['out'],
    message: 'must be given, except with "depthwise", which takes neither "out" nor "groups"',
  }),
  layer('batchnorm', {}),
  layer('relu', { max: z.number().positive().optional() }),
  layer('maxpool', { kernel, stride, padding, functional }).refine(({ kernel, padding }) => 2 * padding <= kernel, {
    path: ['padding'],
    message: 'must be at most half of "kernel"',
  }),
  layer('avgpool', { kernel: kernel.optional(), functional }),
  layer('linear', {
    out: z.union([size(), z.literal('classes')], { error: 'must be a number of features, or "classes"' }),
  }),
  layer('add', {}),
  layer('concat', {}),
  layer('select', {}),
]);

const NETWORK = z.strictObject({
  name: z.string().min(1).max(100),
  imageSize: size().default(32),
  gamma: z.number().positive().default(1),
  linearDeviation: z.number().positive().optional(),
  layers: z.array(LAYER).min(1).max(MOST_LAYERS),
});

/** The name of a built-in network, or a network as data that `parseNetwork` has completed. */
export const archSchema = z.union([z.string().min(1), NETWORK as unknown as z.ZodType<NetworkData>]);

/** A layer as a program may give it, without its defaults. */
export type LayerInput = z.input<typeof LAYER>;

/**
 * Checks a network and fills in its defaults: a layer without `inputs` reads the one before it. A complete network is
 * returned equal. `from` names the file in errors. Throws `code`.
 */
export function parseNetwork(value: unknown, from: string, code: ErrorCode = 'ERR_MODEL'): NetworkData {
  const parsed = NETWORK.safeParse(value);
  const problem = parsed.success ? misnamed(parsed.data.layers) : formProblem(parsed.error.issues[0]!, value);
  if (problem !== undefined || !parsed.success)
    throw new EarlybirdError(code, `${from} is not a network: ${problem}; docs/add-a-network.md has the form.`);
  const { layers, ...network } = parsed.data;
  // Entries are always in one order, as networks are compared by their text.
  const complete = layers.map(({ name, kind, inputs = [], ...rest }, i) => ({
    name,
    kind,
    inputs: inputs.length > 0 ? inputs : [layers[i - 1]?.name ?? IMAGE],
    ...rest,
  }));
  return { ...network, layers: complete as LayerData[] };
}

/** Says which name of a layer is wrong. Names are keys of the state dict, so none may lie within another. */
function misnamed(layers: readonly { name: string; inputs?: string[] | undefined }[]): string | undefined {
  const seen = new Set<string>();
  const folders = new Set<string>();
  for (const { name, inputs = [] } of layers) {
    const parts = name.split('.');
    const within = parts.map((_, i) => parts.slice(0, i).join('.')).slice(1);
    const unknown = inputs.find((input) => input !== IMAGE && !seen.has(input));
    if (unknown !== undefined) return `layer "${name}" reads "${unknown}", and no layer before it has that name`;
    if (seen.has(name)) return `two layers are called "${name}"`;
    const other = folders.has(name) ? name : within.find((folder) => seen.has(folder));
    if (other !== undefined) return `"${other}" is a layer and part of the name of another one, such as "${name}"`;
    seen.add(name);
    for (const folder of within) folders.add(folder);
  }
  return undefined;
}

function formProblem({ path, message, code, ...issue }: z.core.$ZodIssue, value: unknown): string {
  const [first, index, ...rest] = path;
  const entry = (layers: unknown) => (layers as { name?: unknown; kind?: unknown }[])[index as number];
  const which = first === 'layers' && index !== undefined ? entry((value as { layers: unknown }).layers) : undefined;
  const label = typeof which?.name === 'string' ? `layer "${which.name}"` : `layer ${Number(index) + 1}`;
  const where = index === undefined ? '' : `${label}: `;
  const field = (index === undefined ? path : rest).map((part) => `"${String(part)}" `).join('');
  if (rest[0] === 'kind' && 'discriminator' in issue)
    return `${where}there is no kind "${String(which?.kind)}": take ${LAYER.options.map(kindOf).join(', ')}`;
  return `${where}${field}${message.replace(/^Invalid input: /, '').replace(/^[A-Z]/, (letter) => letter.toLowerCase())}`;
}

const kindOf = ({ shape }: (typeof LAYER.options)[number]): string => shape.kind.value;
