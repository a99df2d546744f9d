import { repeatsIn } from '../../src/data/verify/repeats';
import { verifyDataset } from '../../src/data/verify/verify';
import { fillTree, jpeg, makeTree } from '../support/image-tree';

const setOf = (...images: number[][]) => ({
  images: Uint8Array.from(images.flat()),
  labels: new Int32Array(images.length),
  count: images.length,
});

test('images of the test set that are in the training set are named', async () => {
  const train = setOf([1, 2, 3], [4, 5, 6], [4, 5, 6]);
  expect(await repeatsIn(train, setOf([4, 5, 6], [6, 5, 4], [1, 2, 3]))).toBe(
    '2 images of the test set are in the training set as well, byte for byte (image 0 is image 1 of train; image 2 is image 0 of train): the accuracy on them is not that on new images',
  );
  expect(await repeatsIn(train, setOf([0, 0, 0], [1, 2, 4]))).toBeNull();
});

test('data verify says it of class folders, and that the data is sound all the same', async () => {
  const tree = makeTree();
  await fillTree(tree, ['n01440764', 'n01443537'], 2);
  const verify = () => verifyDataset({ dataset: 'imagenet', data: tree.root, loader: null });
  expect((await verify()).notes.join()).not.toMatch(/as well/);
  tree.place('val/n01443537/copy.JPEG', await jpeg(11));
  const { notes, problems } = await verify();
  expect(problems).toEqual([]);
  expect(notes.join()).toMatch(
    /1 images of the test set .*\(val\/n01443537\/copy\.JPEG is train\/n01443537\/n01443537_1\.JPEG\)/,
  );
  tree.remove();
});
