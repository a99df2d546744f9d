// The longest file begins first where jest has no times of an earlier run, so that it is not left to one worker at the end.
const Sequencer = require('@jest/test-sequencer').default;
const FIRST = ['test/native/cpp.test.ts', 'test/ranks/train.test.ts', 'test/parity/parity.test.ts'];

module.exports = class extends Sequencer {
  sort(tests) {
    const place = ({ path }) => FIRST.findIndex((name) => path.endsWith(name)) >>> 0;
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
};
