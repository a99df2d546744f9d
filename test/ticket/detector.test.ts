import { type DetectorRule, EarlyBird } from '../../src/ticket/detector';

describe('detector', () => {
  const same = new Uint8Array([0xff, 0xf0]);
  const off = (count: number) => {
    const mask = same.slice();
    for (let i = 0; i < count; i++) mask[0]! ^= 1 << i;
    return mask;
  };
  const run = (rule: DetectorRule, masks: Uint8Array[], window = 3, threshold = 0.1) => {
    const detector = new EarlyBird(12, { window, threshold, rule });
    return masks.map((mask) => detector.push(mask).emerged);
  };

  test('consecutive needs window adjacent distances, all below the threshold', () => {
    expect(run('consecutive', [same, same, same, same])).toEqual([false, false, false, true]);
    expect(run('consecutive', [same, off(2), off(2), off(2), off(2)])).toEqual([false, false, false, false, true]);
  });

  test('consecutive takes drift that reference refuses', () => {
    const drift = [off(0), off(1), off(2), off(3), off(4)];
    expect(run('consecutive', drift).at(-1)).toBe(true);
    expect(run('reference', drift).at(-1)).toBe(false);
  });

  test('a distance equal to the threshold passes the reference rule only', () => {
    const twoOfTwelve = 1 - 10 / 12;
    expect(run('reference', [off(2), off(0)], 2, twoOfTwelve).at(-1)).toBe(true);
    expect(run('consecutive', [off(2), off(0)], 1, twoOfTwelve).at(-1)).toBe(false);
  });

  test('restored state goes on as if it had never stopped', () => {
    const masks = [off(4), off(0), off(1), off(0), off(0), off(3)];
    const whole = new EarlyBird(12);
    const expected = masks.map((mask) => whole.push(mask));
    const first = new EarlyBird(12);
    const second = new EarlyBird(12);
    const before = masks.slice(0, 3).map((mask) => first.push(mask));
    second.restore(first.state);
    expect([...before, ...masks.slice(3).map((mask) => second.push(mask))]).toEqual(expected);
  });
});
