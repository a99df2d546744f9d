/** The types in src/native/types and the exports of binding/ name the same functions, properties and methods. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { loadAddon, loadedVariant } from '../../src/native/addon';
import { addon, smallDataset, smallModel, smallTrainer } from '../support/small-handles';
import { FIXTURES, streamSpec } from '../support/streams';

const folder = join(__dirname, '../../src/native/types');
const interfaces = new Map<string, ts.InterfaceDeclaration>();
for (const name of readdirSync(folder)) {
  const source = ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.Latest, true);
  for (const statement of source.statements)
    if (ts.isInterfaceDeclaration(statement)) interfaces.set(statement.name.text, statement);
}

/** Names of the members of an interface and of those it extends, for example "dispose" and "[Symbol.dispose]". */
function membersOf(name: string): string[] {
  const { members, heritageClauses = [] } = interfaces.get(name)!;
  const bases = heritageClauses.flatMap(({ types }) => types.map(({ expression }) => expression.getText()));
  return [...members.map((member) => member.name!.getText()), ...bases.flatMap(membersOf)].sort();
}

/** Names of the members of a handle. */
function offeredBy(handle: object): string[] {
  const keys = Reflect.ownKeys(Object.getPrototypeOf(handle)).filter((key) => key !== 'constructor');
  return keys.map((key) => (key === Symbol.dispose ? '[Symbol.dispose]' : String(key))).sort();
}

test('the addon exports its type, and what is for the loader and for tests alone', () => {
  expect(Object.keys(addon).sort()).toEqual([...membersOf('NativeAddon'), 'dtypes', 'setErrorClass'].sort());
});

test('every handle has the methods of its type', async () => {
  const model = await smallModel();
  const handles = {
    NativeModel: model,
    NativeTrainer: await smallTrainer(model),
    NativeMeter: await addon.createMeter({ device: 'cpu' }),
    NativeDataset: await smallDataset(1),
  };
  for (const [name, handle] of Object.entries(handles)) {
    expect({ [name]: offeredBy(handle) }).toEqual({ [name]: membersOf(name) });
    handle.dispose();
  }
});

test('a stream is a dataset like any other', async () => {
  const stream = await addon.createStream(streamSpec([join(FIXTURES, '444.jpg')]));
  expect(offeredBy(stream)).toEqual(membersOf('NativeDataset'));
  stream.dispose();
});

const onCpuBuild = loadedVariant() === 'cpu' ? test : test.skip;
onCpuBuild('asking a CPU build of LibTorch for CUDA names the commands that bring a CUDA build', () => {
  const message = expect.stringMatching(/is a CPU build: run .*libtorch fetch --variant cuda`, then `npm run setup`/);
  expect(() => loadAddon({ device: 'cuda' })).toThrow(expect.objectContaining({ code: 'ERR_DEVICE', message }));
});
