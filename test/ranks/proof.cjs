// One of two ranks that compare their masks; rank 1 then has another gamma. Prints what the second comparison says.
const { loadAddon } = require('../../dist/native/addon');

async function main() {
  const [rank, port] = process.argv.slice(2).map(Number);
  const addon = loadAddon({ device: 'cpu' });
  addon.setThreads(1);
  const group = await addon.joinRanks({
    ...{ rank, size: 2, host: '127.0.0.1', port, serves: rank === 0, prefix: 'proof', timeoutMs: 30_000 },
    ...{ name: `host${rank}`, address: '127.0.0.1', device: 'cpu' },
  });
  const cfg = [16, 'M', 16, 'M', 32, 32, 'M', 64, 64, 'M', 64, 64];
  // The ranks have different weights until rank 0 shares its own.
  const model = await addon.createModel({
    ...{ arch: 'vgg', depth: 11, classes: 10, seed: rank, device: 'cpu', cfg, ranks: group },
  });
  await model.share();
  await model.masks([0.3]);
  const state = await model.stateDict();
  if (rank === 1) {
    const { data } = state.get('feature.5.weight');
    new Float32Array(data.buffer, data.byteOffset, 16)[7] += 0.125;
    await model.loadStateDict(state);
  }
  const failure = await model.masks([0.3]).then(
    () => null,
    ({ code, message }) => ({ code, message }),
  );
  const texts = await group.gather(`text of ${rank}${'.'.repeat(rank)}`, 'a test');
  process.stdout.write(JSON.stringify({ failure, texts }));
}

main().catch((error) => {
  process.stderr.write(String(error));
  process.exitCode = 1;
});
