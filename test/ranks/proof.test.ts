/** Masks are proved equal on all ranks: a gamma that differs on one of them is named. */
import { join } from 'node:path';
import { freePort } from '../../src/ranks/launch';
import { start, trained } from '../cli/run-cli';

trained('a gamma that differs ends the comparison on every rank, with rank, layer and channel', async () => {
  const port = String(await freePort());
  const ranks = [0, 1].map((rank) => start(process.execPath, [join(__dirname, 'proof.cjs'), String(rank), port]));
  for (const { status, stdout, stderr } of await Promise.all(ranks.map(({ done }) => done))) {
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { failure, texts } = JSON.parse(stdout) as {
      failure: { code: string; message: string };
      texts: string[];
    };
    expect(failure.code).toBe('ERR_RANKS');
    expect(failure.message).toMatch(
      /^rank 1 on host1 has another gamma than rank 0 on host0 in layer feature\.5, channel 7: 0\.625/,
    );
    expect(texts).toEqual(['text of 0', 'text of 1.']);
  }
});
