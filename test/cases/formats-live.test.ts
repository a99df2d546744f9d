/**
 * Fresh files of other tools, and our shards in theirs. Python with the tools is `EARLYBIRD_TEST_PYTHON`, else python3;
 * tools that it lacks are skipped, with the reason.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { openImagenet } from '../../src/data/imagenet';
import { bytesOf } from '../../src/data/listing';
import { pack } from '../../src/data/pack/pack';
import { makeTree, type Tree } from '../support/image-tree';
import { checkContent, type Expected, sha } from './format-content';

const PYTHON = process.env.EARLYBIRD_TEST_PYTHON ?? 'python3';
const SCRIPT = path.join(__dirname, '../../scripts/golden/data_files.py');

let tree: Tree;
beforeEach(() => {
  tree = makeTree();
});
afterEach(() => tree.remove());

function python(...args: string[]): string {
  const { stdout, stderr, error, status } = spawnSync(PYTHON, args, { encoding: 'utf8', timeout: 300_000 });
  return error || status !== 0 ? `skipped: ${error?.message ?? stderr.trim().split('\n').at(-1)}` : stdout;
}

function skip(reasons: string): void {
  process.stderr.write(`${reasons}\n`);
}

test('files that the installed tools write now', async () => {
  const out = python(SCRIPT, tree.root);
  if (out.includes('skipped')) skip(out);
  if (!existsSync(tree.at('expected.json'))) return;
  const expected = JSON.parse(readFileSync(tree.at('expected.json'), 'utf8')) as Expected;
  for (const [name, content] of Object.entries(expected)) await checkContent(tree.at(name), content);
}, 600_000);

test('webdataset reads packed shards: every key, class and byte', async () => {
  // The index of each file is written beside it.
  const from = tree.at('hf-5');
  cpSync(path.join(__dirname, '../fixtures/formats/hf-5'), from, { recursive: true });
  await pack(from, tree.at('out'), { shardSize: '4' });
  const out = python('-c', READ, tree.at('out/train-{000000..000002}.tar'));
  if (out.startsWith('skipped')) return skip(out);
  const { train } = await openImagenet({ data: tree.at('out') });
  const ours: [number, string][] = [];
  for (let i = 0; i < train!.count; i++) ours.push([train!.labels[i]!, sha(await bytesOf(train!, i))]);
  expect(JSON.parse(out)).toEqual(ours);
}, 120_000);

const READ = `
import hashlib, json, sys, webdataset
samples = webdataset.WebDataset(sys.argv[1], shardshuffle=False).to_tuple('cls', 'jpg')
print(json.dumps([[int(label), hashlib.sha256(image).hexdigest()] for label, image in samples]))
`;
