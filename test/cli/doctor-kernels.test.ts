import { kernelsText } from '../../src/cli/print/doctor';

test('doctor: kernels that were measured, none yet, and forced ones', () => {
  const measured = { 'fp32 3x3, under 64 channels': 'winograd', 'bf16 3x3, under 64 channels': 'direct' };
  expect(kernelsText(measured).split('\n')).toEqual([
    'convolutions, as measured here:',
    '  bf16 3x3, under 64 channels: direct',
    '  fp32 3x3, under 64 channels: winograd',
  ]);
  expect(kernelsText({})).toContain('not measured yet');
  expect(kernelsText('rule')).toBe('convolutions: EARLYBIRD_KERNELS=rule, nothing is measured');
});
