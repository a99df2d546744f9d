/** The code of docs/ticket-in-pytorch.md, run by PyTorch on real tickets, against the program's own outputs. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stateDictOf, stateDictValue } from '../../src/checkpoint/keys';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { readCheckpoint } from '../../src/checkpoint/read';
import type { Value } from '../../src/checkpoint/value';
import { exportCheckpoint } from '../../src/export/export';
import type { ModelSpec, NativeModel } from '../../src/native/types/model';
import type { Arch } from '../../src/native/types/network-data';
import { networkOf } from '../../src/network/file';
import { defaultDepth } from '../../src/network/names';
import { prune } from '../../src/prune/prune';
import { parseRecipe } from '../../src/recipe/recipe';
import { checkpointNetwork, modelInfo, networkEntries } from '../../src/run/checkpoint-network';
import type { StateDict, TensorData } from '../../src/tensor';
import { succeed } from '../cli/run-cli';
import { temporaryFolder } from '../cli/tiny';
import { torchProgram } from '../support/peers';
import { addon, floats } from '../support/small-handles';

const ROOT = resolve(__dirname, '..', '..');
const CLASSES = 10;

const NETWORKS = [
  { arch: 'vgg', depth: 11, function: 'vgg', size: 32 },
  { arch: 'resnet', depth: 20, function: 'resnet', size: 32 },
  { arch: 'resnet18', depth: 18, function: 'resnet', size: 64 },
  { arch: 'resnet50_official', depth: 50, function: 'resnet', size: 64 },
];

/** Networks that are data: depthwise convolutions and capped ReLUs, concatenations, pools. */
const AS_DATA = ['mobilenet_v2', 'densenet40', 'alexnet_bn'].map((arch) => ({ arch, depth: undefined, size: 32 }));

const images = (size: number): TensorData => ({
  dtype: 'float32',
  shape: [2, 3, size, size],
  data: new Uint8Array(Float32Array.from({ length: 6 * size * size }, (_, i) => Math.sin(i * 0.37)).buffer),
});

/** The gammas decide what is pruned, so no two may be equal. */
function withDifferentGammas(state: StateDict): StateDict {
  const gammas = [...state.keys()].filter((key) => state.has(key.replace(/weight$/, 'running_mean')));
  const changed = gammas
    .filter((key) => key.endsWith('.weight'))
    .map((key, layer): [string, TensorData] => {
      const tensor = state.get(key)!;
      const values = Float32Array.from({ length: tensor.data.length / 4 }, (_, i) => 1 + Math.sin(7 * i + layer) / 2);
      return [key, { ...tensor, data: new Uint8Array(values.buffer) }];
    });
  return new Map([...state, ...changed]);
}

async function save(model: NativeModel, file: string): Promise<void> {
  const content: [string, Value][] = [
    ['state_dict', stateDictValue(await model.stateDict())],
    ['earlybird', new Map(networkEntries(modelInfo(model.describe(), undefined)))],
  ];
  await writeCheckpoint(file, new Map(content));
}

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** Prunes a network whose statistics saw images, and returns the ticket with the program's own outputs. */
async function ticketOf({ arch: name, depth: given, size }: (typeof NETWORKS | typeof AS_DATA)[number]) {
  const file = join(folder.path, `${name}.pth.tar`);
  const spec = { classes: CLASSES, device: 'cpu' };
  const arch = networkOf(name) as Arch;
  const depth = given ?? defaultDepth(arch);
  using dense = await addon.createModel({ ...spec, arch, depth, imageSize: size, seed: 1 });
  await dense.loadStateDict(withDifferentGammas(await dense.stateDict()));
  await dense.forward(images(size), { train: true });
  await save(dense, file);
  const folderOfTicket = join(folder.path, `${name}-pruned`);
  const { ticket } = await prune(
    parseRecipe('prune', {
      model: file,
      arch,
      depth,
      percent: 0.3,
      save: folderOfTicket,
      measure: false,
      device: 'cpu',
    }),
  );
  const { value } = await readCheckpoint(ticket);
  const network = checkpointNetwork(value, ticket) as Pick<ModelSpec, 'arch' | 'depth' | 'cfg'>;
  using small = await addon.createModel({ ...spec, ...network, imageSize: size, seed: 1 });
  await small.loadStateDict(stateDictOf(value, ticket));
  return { ticket, logits: [...floats(await small.forward(images(size), { precision: 'fp32' }))] };
}

const page = readFileSync(join(ROOT, 'docs', 'ticket-in-pytorch.md'), 'utf8');
const [vgg, resnet] = [...page.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code!);

const COMPARE = `
import json, sys, warnings
for name, path, size in json.loads(sys.argv[1]):
    x = torch.sin(torch.arange(6 * size * size, dtype=torch.float64) * 0.37).float().reshape(2, 3, size, size)
    with torch.no_grad():
        print(json.dumps(globals()[name](path)(x).flatten().tolist()))
`;

/** Like COMPARE, with the model.py that `earlybird export` wrote into each folder. */
const EXPORTED = `
import importlib.util, json, sys, torch
for folder, size in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location("model", folder + "/model.py")
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    x = torch.sin(torch.arange(6 * size * size, dtype=torch.float64) * 0.37).float().reshape(2, 3, size, size)
    with torch.no_grad():
        print(json.dumps(model.load()(x).flatten().tolist()))
`;

const linesOf = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => (line ? (JSON.parse(line) as number[]) : null));

function expectSame(name: string, own: number[], other: number[], share: number): void {
  const largest = Math.max(...own.map(Math.abs));
  const off = Math.max(...own.map((value, k) => Math.abs(value - other[k]!)));
  expect({ name, same: off < share * largest, largest: largest > 0 }).toEqual({ name, same: true, largest: true });
}

test('exported tickets give the same outputs in PyTorch, by their model.py, and in onnxruntime', async () => {
  const found = torchProgram();
  const exports: { name: string; place: string; size: number; logits: number[] }[] = [];
  for (const network of [...NETWORKS, ...AS_DATA]) {
    const { ticket, logits } = await ticketOf(network);
    for (const foldBn of [false, true]) {
      const name = `${network.arch}${foldBn ? ', folded' : ''}`;
      const place = join(folder.path, 'exported', name);
      const options = { checkpoint: ticket, format: 'state-dict', foldBn, out: join(place, 'weights.pth') };
      await exportCheckpoint(parseRecipe('export', options));
      exports.push({ name, place, size: network.size, logits });
      // Runs in a process of its own, because onnxruntime-node takes the arrays of Jest's contexts for foreign.
      const onnx = ['export', ticket, ...(foldBn ? ['--fold-bn'] : []), '--out', join(place, 'net.onnx'), '--json'];
      const { compared } = JSON.parse((await succeed(onnx)).stdout);
      if (compared) expect([name, compared.difference < 1e-5]).toEqual([name, true]);
      else console.warn('not compared: onnxruntime-node is not installed here');
    }
  }
  if (!found) return;
  const script = join(folder.path, 'exported.py');
  writeFileSync(script, EXPORTED);
  const cases = exports.map(({ place, size }) => [place, size]);
  const options = { encoding: 'utf8', env: found.env } as const;
  const { stdout, stderr } = spawnSync(found.python, [script, JSON.stringify(cases)], options);
  const outputs = linesOf(stdout);
  if (outputs.length !== exports.length) throw new Error(stderr);
  for (const [i, { name, logits }] of exports.entries()) expectSame(name, logits, outputs[i]!, 1e-4);
}, 300_000);

test('gives the outputs of the program', async () => {
  const found = torchProgram();
  if (!found) return;
  const tickets = [];
  for (const network of NETWORKS) tickets.push({ ...network, ...(await ticketOf(network)) });
  const script = join(folder.path, 'page.py');
  writeFileSync(script, `${vgg}\n${resnet}\n${COMPARE}`);
  const cases = tickets.map((one) => [one.function, one.ticket, one.size]);
  const { stdout, stderr } = spawnSync(found.python, [script, JSON.stringify(cases)], {
    encoding: 'utf8',
    env: found.env,
  });
  const outputs = linesOf(stdout);
  if (outputs.length !== tickets.length) throw new Error(stderr);
  for (const [i, { arch, logits }] of tickets.entries()) expectSame(arch, logits, outputs[i]!, 1e-4);
}, 300_000);

test('the page builds a VGG in fifteen lines', () => {
  const body = vgg!.slice(vgg!.indexOf('    file = ')).trimEnd().split('\n');
  expect(body.length).toBeLessThanOrEqual(15);
});
