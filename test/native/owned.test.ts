import { disposing } from '../../src/native/owned';

test('handles are disposed of in reverse order, whatever fails', async () => {
  const order: number[] = [];
  const handle = (n: number) => ({ [Symbol.dispose]: () => void order.push(n) });
  const failing = async () => {
    using _handles = disposing([handle(1), handle(2)]);
    throw new Error('no memory');
  };
  await expect(failing()).rejects.toThrow('no memory');
  expect(order).toEqual([2, 1]);
});
