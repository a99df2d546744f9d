/** Settings of OpenMP that make teams smaller than LibTorch expects: the run says with how many threads it computes. */
import { join } from 'node:path';
import { describeTrained, succeed } from './run-cli';
import { EAGER, metricsOf, TINY, temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

describeTrained('teams of OpenMP', () => {
  const search = async (name: string, env: NodeJS.ProcessEnv) => {
    const save = join(folder.path, name);
    const args = ['search', ...TINY, ...EAGER, '--epochs', '1', '--save', save, '--threads', '2'];
    const { stderr } = await succeed(args, { env });
    return { stderr, metrics: metricsOf(save) };
  };

  test('a team that is smaller than asked computes, up to rounding the same; those that OpenMP would choose are as asked', async () => {
    const limited = await search('limited', { OMP_THREAD_LIMIT: '1' });
    expect(limited.stderr).toContain(
      'compute threads: 1, because OpenMP starts no more of 2 here (OMP_THREAD_LIMIT=1: unset it)',
    );
    const dynamic = await search('dynamic', { OMP_DYNAMIC: 'true' });
    expect(dynamic.stderr).not.toContain('compute threads');
    // With AVX-512 kernels LibTorch splits some sums of this network by threads.
    const [one, two] = [limited, dynamic].map(({ metrics }) => metrics.map(({ train }) => train.loss));
    expect(one!.length).toBe(1);
    expect(one![0]).toBeCloseTo(two![0]!, 5);
  });
});
