/** The micro-architecture of the host's processor and the instruction sets that its kernel lets programs use. */
import { readFileSync } from 'node:fs';

/** Facts of the processor from /proc/cpuinfo; null where it is absent or lacks them. */
export interface Processor {
  /** Vendor with family, model and stepping, or on ARM implementer, variant, part and revision. */
  microArchitecture: string | null;
  /** Instruction sets that kernels choose between, sorted. */
  instructionSets: string[] | null;
}

/** Names of /proc/cpuinfo on x86 and on ARM, and how they are written here. */
const IDENTITY: [field: string, name: string][] = [
  ['vendor_id', ''],
  ['cpu family', 'family'],
  ['model', 'model'],
  ['stepping', 'stepping'],
  ['CPU implementer', 'implementer'],
  ['CPU variant', 'variant'],
  ['CPU part', 'part'],
  ['CPU revision', 'revision'],
];
/**
 * Fields of flags, and the flags that kernels choose by. Others (security, timers) may change with the kernel of the
 * system.
 */
const SETS: [field: string, matters: RegExp][] = [
  ['flags', /^(avx|avx2|fma|f16c|avx512\w*|avx_(vnni\w*|ifma|ne_convert)|avx10\w*|amx_\w+)$/],
  ['Features', /^(asimd\w*|fphp|e?bf16|i8mm|sve\w*|sme\w*)$/],
];

/** Reads the text of /proc/cpuinfo. Cores of several kinds are all named, with the instruction sets that all of them have. */
export function processorOf(cpuinfo: string): Processor {
  const cores = cpuinfo.split(/\n\s*\n/).map(
    (block) =>
      new Map(
        block.split('\n').flatMap((line): [string, string][] => {
          const [name, ...rest] = line.split(':');
          return rest.length > 0 ? [[name!.trim(), rest.join(':').trim()]] : [];
        }),
      ),
  );
  const names = cores.flatMap((core) => {
    const parts = IDENTITY.flatMap(([field, name]) => (core.has(field) ? `${name} ${core.get(field)}`.trim() : []));
    return parts.length > 0 ? parts.join(' ') : [];
  });
  const flags = cores.flatMap((core) =>
    SETS.flatMap(([field, matters]) => {
      const text = core.get(field);
      return text === undefined ? [] : [text.split(/\s+/).filter((flag) => matters.test(flag))];
    }),
  );
  const [first] = flags;
  return {
    microArchitecture: names.length > 0 ? [...new Set(names)].sort().join(' and ') : null,
    instructionSets: first
      ? [...new Set(first)].filter((flag) => flags.every((own) => own.includes(flag))).sort()
      : null,
  };
}

/** Micro-architecture and instruction sets; empty where neither is known. */
export function processorText({ microArchitecture, instructionSets }: Partial<Processor>): string {
  return [microArchitecture, instructionSets?.join(' ')].filter(Boolean).join(': ');
}

let known: Processor | undefined;

/** The processor of this machine, read once. */
export function hostProcessor(): Processor {
  known ??= processorOf(cpuinfo());
  return known;
}

function cpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
