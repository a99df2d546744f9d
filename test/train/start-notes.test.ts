import type { ModelDescription } from '../../src/native/types/model';
import { searchNotes } from '../../src/train/start-notes';

const settings = { sr: true, epochs: 160, keepCheckpoints: 'none' };
/** 10 million weights. */
const network = {
  layers: [{ kind: 'conv', key: 'c', in: 1000, out: 10_000, kernel: 1, groups: 1, bias: false, height: 1, width: 1 }],
} as unknown as ModelDescription;

test('nothing to say of a search with the L1 term that keeps no checkpoints', () => {
  expect(searchNotes(settings, network)).toEqual([]);
});

test("a search without the L1 term is not the paper's", () => {
  expect(searchNotes({ ...settings, sr: false }, network)).toEqual([
    "no L1 term on the gammas (-sr): the paper's tickets are drawn with it",
  ]);
});

test.each([
  ['all', 0, '160 files ckpt{e}.pth.tar of 80 MB, 12.8 GB in all'],
  ['all', 150, '10 files ckpt{e}.pth.tar of 80 MB, 800 MB in all'],
  ['every:40', 0, '4 files'],
  ['ticket', 0, 'up to 160 files'],
])('--keep-checkpoints %s after %i epochs', (keepCheckpoints, completed, said) => {
  const [note, ...others] = searchNotes({ ...settings, keepCheckpoints }, network, completed);
  expect(note).toContain(`checkpoints: ${said}`);
  expect(note).toContain('--keep-checkpoints none, ticket or every:N keeps fewer');
  expect(others).toEqual([]);
});
