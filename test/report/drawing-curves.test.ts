import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCheckpoint } from '../../src/checkpoint/pth';
import { drawingCurves } from '../../src/report/gather/drawing-curves';

const folder = mkdtempSync(join(tmpdir(), 'earlybird-drawing-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A finished run, as far as the figure reads it. */
function run(name: string, params: object, result: object): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'params.json'), JSON.stringify(params));
  writeFileSync(join(path, 'result.json'), JSON.stringify(result));
  return path;
}

const vgg = { arch: 'vgg', depth: 16 };

test('tickets of train and of retrain lie on one curve by drawing epoch, and a dense run gives the line', async () => {
  const ticket = join(folder, 'pruned.pth.tar');
  await writeCheckpoint(
    ticket,
    new Map([['earlybird', new Map(Object.entries({ ratio: 0.3, drawn: 2, completed: 0 }))]]),
  );
  const trained = run(
    'train',
    { command: 'train', recipe: { ...vgg, percent: 0.3, compareDense: false } },
    { ticket: { completed: 11 }, retrain: { top1Last: 70 }, search: { top1Last: 50 } },
  );
  const retrained = run('retrain', { command: 'retrain', recipe: { ...vgg, scratch: ticket } }, { top1Last: 66 });
  const dense = run('dense', { command: 'retrain', recipe: vgg }, { top1Last: 72 });

  expect(await drawingCurves([trained, retrained, dense])).toEqual([
    {
      name: 'VGG-16',
      ratio: 0.3,
      dense: 72,
      points: [
        { epoch: 2, top1: 66 },
        { epoch: 11, top1: 70 },
      ],
    },
  ]);
  expect(await drawingCurves([trained])).toMatchObject([{ dense: null, points: [{ epoch: 11, top1: 70 }] }]);
});

test('a folder without a finished run is refused', async () => {
  await expect(drawingCurves([folder])).rejects.toMatchObject({ code: 'ERR_FILE' });
});
