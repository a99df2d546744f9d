import { requestedDevice, severalGpus } from '../../src/engine/device';

let gpus: number[] = [];
jest.mock('../../src/native/addon', () => ({
  loadAddon: () => ({ runtime: () => ({ cudaDevices: gpus.map((index) => ({ index })) }) }),
}));

test.each([
  [{ device: 'auto', noCuda: false }, 'auto'],
  [{ device: 'auto', noCuda: true, gpuIds: '0' }, 'cpu'],
  [{ device: 'auto', noCuda: false, gpuIds: '-1' }, 'cpu'],
  [{ device: 'auto', noCuda: false, gpuIds: '4,5,6,7' }, 'cuda:4'],
  [{ device: 'cpu', noCuda: false, gpuIds: '0,1' }, 'cpu'],
  [{ device: 'cuda:1', noCuda: false, gpuIds: '0' }, 'cuda:1'],
  [{ device: 'auto', noCuda: false, gpuIds: '-1', place: { localRank: 1, localSize: 2 } }, 'cpu'],
  [{ device: 'auto', noCuda: false, gpuIds: '4,5,6,7', place: { localRank: 2, localSize: 4 } }, 'cuda:6'],
])('%j is the device %s', (wish, device) => {
  expect(requestedDevice(wish)).toBe(device);
});

test('more ranks than GPUs in the list are refused', () => {
  const wish = { device: 'auto', noCuda: false, gpuIds: '4,5', place: { localRank: 2, localSize: 3 } };
  expect(() => requestedDevice(wish)).toThrow('--gpu_ids 4,5 names fewer GPUs than there are ranks on this host');
});

test.each([
  [[0, 1, 2, 3], {}, [0, 1, 2, 3]],
  [[0, 1], {}, [0, 1]],
  [[2], {}, null],
  [[], {}, null],
  [[0, 1, 2, 3], { device: 'cpu' }, null],
  [[0, 1, 2, 3], { noCuda: true }, null],
  [[0, 1, 2, 3], { gpuIds: '1' }, null],
  [[0, 1, 2, 3], { gpuIds: undefined }, null],
])('of the GPUs %j, --gpu_ids 0,1,2,3 with %j gives a rank to %j', (present, more, ranks) => {
  gpus = present;
  expect(severalGpus({ device: 'auto', noCuda: false, gpuIds: '0,1,2,3', ...more })).toEqual(ranks);
});
