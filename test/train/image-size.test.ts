/** Images of another size than those that a network was trained on. */
import { refuseOtherSize } from '../../src/train/image-size';

const FILE = 'pruned.pth.tar';
const refusal = (message: string) => expect.objectContaining({ code: 'ERR_DATASET', message });

test('the size that was asked for, the same size and an unknown one pass', () => {
  refuseOtherSize({ dataset: 'folder', imageSize: 32 }, 64, 32, FILE);
  refuseOtherSize({ dataset: 'folder' }, 32, 32, FILE);
  refuseOtherSize({ dataset: 'folder' }, undefined, 32, FILE);
});

test('another size is refused, with what to give', () => {
  expect(() => refuseOtherSize({ dataset: 'folder' }, 64, 32, FILE)).toThrow(
    refusal(
      'pruned.pth.tar was trained on images of 64x64 pixels, but those of folder are 32x32: give --image-size 64, or --image-size 32 to take these all the same.',
    ),
  );
  expect(() => refuseOtherSize({ dataset: 'cifar10' }, 64, 32, FILE)).toThrow(
    refusal(
      'pruned.pth.tar was trained on images of 64x64 pixels, but those of cifar10 are 32x32: give the --dataset it was trained on, or --image-size 32 to take these all the same.',
    ),
  );
});
