import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNpy } from '../../src/checkpoint/npy';
import { parseRecipe } from '../../src/recipe/recipe';
import { plot, shortestNames } from '../../src/report/gather/plot';
import { namedDataset } from '../../src/report/gather/runs';
import { distance } from '../../src/ticket/distance';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-plot-'));
afterAll(() => rmSync(folder, { recursive: true }));

const data = new Uint8Array(Float64Array.of(1, 0.3, 0.3, 1).buffer);
const dataset = { name: 'cifar10', synthetic: false };

/** A folder of a search, as far as the figure reads it. */
async function search(name: string, recipe: object = { arch: 'vgg', depth: 16 }): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'params.json'), JSON.stringify({ recipe, dataset }));
  await writeNpy(join(path, 'overlap_0.3.npy'), { dtype: 'float64', shape: [2, 2], data });
  return path;
}

async function drawn(folders: string[], more: Record<string, unknown> = {}): Promise<string> {
  const recipe = parseRecipe('plot', { folders, format: ['svg'], output: folder, name: 'drawn', ...more });
  const { figures } = await plot(recipe);
  expect(figures).toEqual([join(folder, 'drawn.svg')]);
  return readFileSync(figures[0]!, 'utf8');
}

test('the folder of train is drawn from the search within', async () => {
  await search('whole/search');
  writeFileSync(join(folder, 'whole', 'params.json'), JSON.stringify({ recipe: {}, dataset }));
  const svg = await drawn([join(folder, 'whole')]);
  expect(svg).toContain('>VGG-16<');
  expect(svg).toContain('>CIFAR-10<');
  expect(existsSync(join(folder, 'drawn.pdf'))).toBe(false);
});

test('runs of the same network are told apart by the shortest names of their folders, or by titles', async () => {
  const folders = [await search('a/run'), await search('b/run')];
  expect(await drawn(folders)).toMatch(/>VGG-16 \(a\/run\)<.*>VGG-16 \(b\/run\)</s);
  expect(await drawn(folders, { title: ['batch 64', 'batch 256'] })).toMatch(/>batch 64<.*>batch 256</s);
  await expect(drawn(folders, { title: ['x', 'y', 'z'] })).rejects.toMatchObject({
    code: 'ERR_RECIPE',
    message: expect.stringContaining('3 texts for 2 folders'),
  });
});

test('a network of other widths is not called as the published one', async () => {
  const svg = await drawn([await search('narrow', { arch: 'vgg', depth: 11, cfg: [8, 'M', 8] })]);
  expect(svg).toContain('>VGG, custom widths<');
  expect(svg).not.toContain('VGG-11');
});

test('a kind of file that is not drawn is refused by name', () => {
  const wrong = () => parseRecipe('plot', { format: ['gif'] });
  expect(wrong).toThrow('--format gif is not possible: give some of svg, png and pdf.');
});

test('shortest names', () => {
  expect(shortestNames(['/x/a', '/x/b'])).toEqual(['a', 'b']);
  expect(shortestNames(['/x/a/run', '/y/a/run', '/y/b/run'])).toEqual(['x/a/run', 'y/a/run', 'y/b/run']);
  expect(shortestNames(['/x/a', '/x/a'])).toEqual(['a', 'a']);
});

test('class folders are called as the folder that holds them', () => {
  expect(namedDataset({ name: 'folder' }, 'images/flowers/')).toEqual({ name: 'flowers' });
  expect(namedDataset({ name: 'cifar10' }, 'images/flowers')).toEqual({ name: 'cifar10' });
});

test('a folder that is not there is named, and not made', async () => {
  const absent = join(folder, 'absent');
  const drawing = plot(parseRecipe('plot', { folders: [absent] }));
  await expect(drawing).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: `${absent} does not exist: check the path.`,
  });
  const distances = distance(parseRecipe('distance', { save: absent }));
  await expect(distances).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: `${absent} does not exist: check the path.`,
  });
  expect(existsSync(absent)).toBe(false);
});
