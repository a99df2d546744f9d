import { requestedDevice } from '../../src/engine/device';

test.each([
  [{ device: 'auto', noCuda: false }, 'auto'],
  [{ device: 'auto', noCuda: true, gpuIds: '0' }, 'cpu'],
  [{ device: 'auto', noCuda: false, gpuIds: '-1' }, 'cpu'],
  [{ device: 'auto', noCuda: false, gpuIds: '4,5,6,7' }, 'cuda:4'],
  [{ device: 'cpu', noCuda: false, gpuIds: '0,1' }, 'cpu'],
  [{ device: 'cuda:1', noCuda: false, gpuIds: '0' }, 'cuda:1'],
])('%j is the device %s', (wish, device) => {
  expect(requestedDevice(wish)).toBe(device);
});
