/** A run of the real engine that goes on where another kernel would be chosen gives the bits of one that was never stopped. */
import { join } from 'node:path';
import { describeTrained, succeed } from './run-cli';
import { outcomeOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

describeTrained('kernels of a run', () => {
  test('are its own when it goes on, whatever would be chosen now', async () => {
    const search = (save: string, epochs: string, kernels: string) =>
      succeed(['search', ...TINY, '--epochs', epochs, '--save', join(folder.path, save)], {
        env: { EARLYBIRD_KERNELS: kernels },
      });
    await search('whole', '2', 'direct');
    await search('parts', '1', 'direct');
    await search('parts', '2', 'rule');
    await search('other', '2', 'rule');
    const [whole, parts, other] = ['whole', 'parts', 'other'].map((name) => outcomeOf(join(folder.path, name)));
    expect(parts!['checkpoint.pth.tar']).not.toBe(other!['checkpoint.pth.tar']);
    expect(weightsOf(parts!)).toEqual(weightsOf(whole!));
    expect(weightsOf(parts!)).not.toEqual(weightsOf(other!));
  });
});

/** The metrics and masks, which depend on every weight; a checkpoint also holds the recipe, whose epochs differ. */
const weightsOf = ({ metrics, ...files }: Record<string, string>) => [
  metrics,
  Object.entries(files).filter(([name]) => name.endsWith('.bits')),
];
