/** Origin of a result: versions, device, commit, command line. */
import { hostname } from 'node:os';
import { gitCommit, packageVersion } from '../package';
import type { Engine } from './device';
import { machineFingerprint } from './machine';
import { hostProcessor, processorText } from './processor';
import type { Session } from './session';

export interface Provenance {
  earlybird: string;
  node: string;
  libtorch: string;
  /** Fingerprint of the hardware. */
  machine: string;
  /** Micro-architecture and instruction sets, which a fingerprint does not show; absent in runs of older versions. */
  processor?: string;
  device: string;
  deviceName: string;
  precision: string;
  threads: number;
  host: string;
  gitCommit: string | null;
  commandLine: string;
  dataset: { name: string; synthetic: boolean; train: number; test: number; fingerprint: string };
}

/** The part of the provenance that is known before data is opened. */
export function engineProvenance({ addon, device, precision }: Engine) {
  const runtime = addon.runtime();
  return {
    earlybird: packageVersion(),
    node: process.version,
    libtorch: addon.loaded,
    machine: machineFingerprint({ addon, device }),
    processor: processorText(hostProcessor()),
    device,
    deviceName: runtime.cudaDevices.find(({ index }) => device === `cuda:${index}`)?.name ?? runtime.cpuCapability,
    precision,
    threads: runtime.threads,
  };
}

export function provenanceOf(session: Session, commandLine = process.argv.slice(1).join(' ')): Provenance {
  const { dataset } = session;
  return {
    ...engineProvenance(session),
    host: hostname(),
    gitCommit: gitCommit(),
    commandLine,
    dataset: {
      name: dataset.name,
      synthetic: dataset.synthetic,
      train: dataset.train.count,
      test: dataset.test.count,
      fingerprint: dataset.fingerprint,
    },
  };
}
