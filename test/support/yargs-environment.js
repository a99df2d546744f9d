/**
 * The environment of tests that use yargs: it has ES modules only, which Node's `require` loads, but Jest's not before
 * Node 24.9.
 */
const { TestEnvironment } = require('jest-environment-node');

module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.global.yargs = require('yargs/yargs');
  }
};
