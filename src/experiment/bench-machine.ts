/** Whether what a file says of its machine can be read as such. */
import type { Machine } from './machine';

export function isMachine(value: unknown): value is Machine {
  const { fingerprint, cpu, gpu, versions, date } = (value ?? {}) as Partial<Machine>;
  return (
    typeof fingerprint === 'string' &&
    typeof cpu?.model === 'string' &&
    typeof versions === 'object' &&
    versions !== null &&
    typeof date === 'string' &&
    (gpu === null || typeof gpu?.name === 'string')
  );
}
