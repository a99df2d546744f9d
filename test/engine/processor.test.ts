import { hostProcessor, processorOf } from '../../src/engine/processor';

const X86 = (family: number, flags: string) =>
  `processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: ${family}\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: ${flags}\n`;
const ARM = (part: string, features: string) =>
  `processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: ${features}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: ${part}\nCPU revision\t: 1\n`;

test('x86: family, model and stepping, and the instruction sets that kernels choose between', () => {
  const flags = 'fpu sse4_2 avx2 fma hypervisor smep sme avx512f avx512_bf16 avx_vnni amx_tile amx_bf16 md_clear';
  expect(processorOf(`${X86(25, flags)}\n${X86(25, flags)}\n`)).toEqual({
    microArchitecture: 'AuthenticAMD family 25 model 17 stepping 1',
    instructionSets: ['amx_bf16', 'amx_tile', 'avx2', 'avx512_bf16', 'avx512f', 'avx_vnni', 'fma'],
  });
});

test('ARM: part and features, the sets that cores of all kinds have', () => {
  const text = [ARM('0xd0c', 'fp asimd asimddp bf16 i8mm sve cpuid'), ARM('0xd05', 'fp asimd asimddp cpuid')].join(
    '\n',
  );
  expect(processorOf(text)).toEqual({
    microArchitecture:
      'implementer 0x41 variant 0x3 part 0xd05 revision 1 and implementer 0x41 variant 0x3 part 0xd0c revision 1',
    instructionSets: ['asimd', 'asimddp'],
  });
});

test('a file that says nothing', () => {
  for (const text of ['', 'processor\t: 0\n\n', 'no colon here'])
    expect(processorOf(text)).toEqual({ microArchitecture: null, instructionSets: null });
});

test('flags that choose no kernel, and a text without an end, change nothing', () => {
  const [a, b] = [processorOf(X86(23, 'avx2 fma')), processorOf(X86(23, 'fma avx2 spec_ctrl').trimEnd())];
  expect(a).toEqual(b);
  expect(hostProcessor()).toBe(hostProcessor());
});
