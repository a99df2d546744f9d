/** bench profile, detect, compare and the ticket of bench step, at the smallest sizes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, succeed, trained } from './run-cli';
import { temporaryFolder } from './tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const TINY = '--batch 2 --steps 1 --warmup 1 --threads 1 --device cpu'.split(' ');

trained(
  'profile: families, ceilings, roofline and the machine; a result compares with itself',
  async () => {
    const { stdout } = await succeed(['bench', 'profile', ...TINY, '--quick', '--top', '3', '--json']);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ model: 'vgg16', batchSize: 2, source: 'operators', launches: 0, quick: true });
    expect(result.top).toHaveLength(3);
    const share = result.families.reduce((sum: number, family: { share: number }) => sum + family.share, 0);
    expect(share).toBeCloseTo(1, 9);
    expect(result.work.flops).toBe(3 * 2 * 313_201_664 * 2);
    const { roofline, ceilings, shares, stepMs } = result;
    expect(roofline.arithmeticMs).toBeCloseTo(result.work.flops / ceilings.matmulTflops / 1e9, 9);
    expect(roofline.trafficMs).toBeCloseTo(result.work.bytes / ceilings.copyGBps / 1e6, 9);
    expect(shares.roofline).toBe(roofline.stepMs / stepMs.median);
    expect(result.machine).toMatchObject({ fingerprint: expect.stringMatching(/^\w{16}$/), gpu: null, threads: 1 });

    const file = join(folder.path, 'profile.json');
    writeFileSync(file, stdout);
    const compared = await succeed(['bench', 'compare', file, file]);
    expect(compared.stdout).toMatch(/^stepMs +.* 1\.00x {2}ranges overlap$/m);
    const other = join(folder.path, 'other.json');
    const machine = { ...result.machine, fingerprint: '0', cpu: { ...result.machine.cpu, model: 'Another CPU' } };
    writeFileSync(other, JSON.stringify({ ...result, machine }));
    const { status, stderr } = await cli(['bench', 'compare', file, other]).done;
    expect([status, stderr]).toEqual([1, expect.stringMatching(/Another CPU.*\[ERR_BENCH_MACHINE\]/)]);
  },
  240_000,
);

trained(
  'profile of a ticket: the widths that bench step times, and a quarter of the products',
  async () => {
    const flags = [...TINY, '--quick', '--ticket', '0.5', '--round-to', '8'];
    const { stdout } = await succeed(['bench', 'profile', ...flags, '--json']);
    const { ticket, work } = JSON.parse(stdout);
    expect(ticket).toEqual({ ratio: 0.5, roundTo: 8 });
    const step = JSON.parse(
      (await succeed(['bench', 'step', ...TINY, '--ticket', '0.5', '--round-to', '8', '--json'])).stdout,
    );
    // FLOPs of a network count additions of biases and normalisation too, FLOPs of the profile only products.
    expect(work.flops / (3 * 2 * 313_201_664 * 2)).toBeCloseTo(step.ticket.flopsRatio, 2);
  },
  240_000,
);

trained(
  'detect: its share of an epoch that is given',
  async () => {
    const args = ['bench', 'detect', '--device', 'cpu', '--threads', '1', '--repetitions', '2', '--epoch-seconds', '8'];
    const result = JSON.parse((await succeed([...args, '--json'])).stdout);
    expect(result).toMatchObject({ channels: 4224, ratios: [0.3, 0.5, 0.7], epochSeconds: 8 });
    expect(result.share).toBe(result.wholeMs.median / 1000 / 8);
    expect(result.shareWithoutFiles).toBe(result.detectMs.median / 1000 / 8);
  },
  120_000,
);

/** A peer that writes the widths it was given, and a rate. */
const PEER = `#!/usr/bin/env node
const fs = require('node:fs');
const flag = (name) => process.argv[process.argv.indexOf('--' + name) + 1];
const ticket = process.argv.includes('--cfg');
if (ticket) fs.copyFileSync(flag('cfg'), process.argv[2].replace('peer_train.py', 'cfg.json'));
const record = { dtype: 'fp32', torch: '2.0', threads: 1, images_per_s_wall: ticket ? 1e-3 : 1e-4, batch: 2, peak_mib: {} };
fs.writeFileSync(flag('json'), JSON.stringify(record));
`;

trained(
  'the ticket of bench step beside a peer, which gets the same widths',
  async () => {
    const python = join(folder.path, 'python');
    writeFileSync(python, PEER, { mode: 0o755 });
    writeFileSync(join(folder.path, 'peer_train.py'), '');
    const peer = ['--peer', folder.path, '--python', python, '--modes', 'tuned', '--rounds', '1'];
    const args = ['bench', 'step', ...TINY, ...peer, '--ticket', '0.5', '--round-to', '8', '--json'];
    const result = JSON.parse((await succeed(args)).stdout);
    const { ticket, systems } = result;
    expect(JSON.parse(readFileSync(join(folder.path, 'cfg.json'), 'utf8'))).toEqual(ticket.cfg);
    expect(ticket.cfg.every((width: number | 'M') => width === 'M' || width % 8 === 0)).toBe(true);
    expect(ticket.flopsRatio > 0.15 && ticket.flopsRatio < 0.4).toBe(true);
    expect(systems.tuned).toMatchObject({ dense: { median: 2e7 }, ticket: { median: 2e6 }, stepRatio: 0.1 });
    expect(result.ratios.tuned).toBe(2e6 / systems.earlybird.ticket.median);
    expect(result.overFlops).toBe(systems.earlybird.stepRatio / ticket.flopsRatio);
  },
  240_000,
);

test('a ratio that prunes nothing is refused', async () => {
  const { status, stderr } = await cli(['bench', 'step', '--ticket', '0']).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining('--ticket 0 is not possible')]);
});

test('low precision of a ticket is refused: it would time the ticket in full precision', async () => {
  const { status, stderr } = await cli(['bench', 'step', '--low-precision', '--ticket', '0.5']).done;
  expect([status, stderr]).toEqual([2, expect.stringContaining('--low-precision times the dense network: leave out')]);
});
