// Tests do not depend on what is faster here. Set before workers and child processes start, which inherit it.
process.env.EARLYBIRD_KERNELS ??= 'rule';

module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/test/stress/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
    // ES modules only, which Jest loads from Node 24.9 on.
    'node_modules/hy(parquet|parquet-compressors|snappy)/.+\\.js$': [
      '@swc/jest',
      { jsc: { target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!hy(parquet|parquet-compressors|snappy)/)'],
  testTimeout: 120000,
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/sequencer.cjs',
};
