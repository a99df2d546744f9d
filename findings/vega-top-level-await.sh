#!/usr/bin/env bash
# vega 6.4.0: require() refuses it on every Node, also where it takes other packages of ES modules.
# Expected: Node 20.19 and newer load an ES module by require(), as they do d3-array 3.2.4, which vega is made of.
# Seen: ERR_REQUIRE_ASYNC_MODULE, because vega-canvas looks for the optional package canvas with a top-level await. import() works.
# Met when a program of CommonJS modules was to go from vega 5 to 6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{}' >package.json
npm install --silent --no-audit --no-fund vega@6.4.0 d3-array@3.2.4
node - <<'JAVASCRIPT'
const assert = require('node:assert');
const { existsSync } = require('node:fs');

console.log('Node', process.versions.node, 'require() takes ES modules:', process.features.require_module);
assert(process.features.require_module, 'Node 20.19 or newer is needed');
console.log('require d3-array:', typeof require('d3-array').max);
let code = 'none';
try {
  require('vega');
} catch (error) {
  code = error.code;
}
console.log('require vega:', code);
assert.equal(code, 'ERR_REQUIRE_ASYNC_MODULE');
assert(!existsSync('node_modules/canvas'));
import('vega').then(({ parse }) => {
  console.log('import vega:', typeof parse);
  assert.equal(typeof parse, 'function');
});
JAVASCRIPT
echo 'as described: vega 6 is there for import() only'
