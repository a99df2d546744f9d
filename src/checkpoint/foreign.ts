/** Recognises files that are not checkpoints, and tells what to do about them. */
import { refuse, SAVE_WEIGHTS } from './refuse';

const SAVE_SAFETENSORS = 'save its weights once by torch.save or safetensors';

/** Bytes by which formats are known, as latin1 text, at the start of the file or at offset `at`. */
const SIGNATURES: readonly { starts: string; at?: number; what: string; remedy: string }[] = [
  {
    starts: 'ustar',
    at: 257,
    what: 'a tar archive, the layout of PyTorch before 0.1.10',
    remedy: 'load and save it once with a PyTorch between 0.4 and 2',
  },
  { starts: '\x89HDF\r\n\x1a\n', what: 'an HDF5 file, as Keras writes', remedy: SAVE_SAFETENSORS },
  { starts: 'GGUF', what: 'a GGUF file of llama.cpp', remedy: SAVE_SAFETENSORS },
  { starts: 'ET1', at: 4, what: 'an ExecuTorch program', remedy: 'name the checkpoint that it was made from' },
  { starts: 'TFL3', at: 4, what: 'a TensorFlow Lite file', remedy: 'name the checkpoint that it was made from' },
  { starts: '\x1f\x8b', what: 'compressed by gzip', remedy: 'unpack it first' },
  { starts: '\x28\xb5\x2f\xfd', what: 'compressed by zstd', remedy: 'unpack it first' },
  {
    starts: 'version https://git-lfs',
    what: 'a pointer of git-lfs, not the file itself',
    remedy: 'fetch it by git lfs pull',
  },
  { starts: '\x08', what: 'an ONNX file', remedy: 'name the checkpoint that it was made from' },
  { starts: '<', what: 'a web page or XML', remedy: 'download the file itself' },
];

/** Throws ERR_CHECKPOINT, naming the kind of file; returns where the kind is unknown. */
export function foreignFormat(bytes: Uint8Array): void {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString('latin1');
  for (const { starts, at = 0, what, remedy } of SIGNATURES) {
    if (!head.startsWith(starts, at)) continue;
    // One byte alone would fit many files. ONNX continues with a small version, and the name of its producer or a
    // graph.
    if (starts === '\x08' && !/^\x08[\x01-\x20][\x12-\x42]/.test(head)) continue;
    if (starts === '<' && !/^<(\?xml|!doctype|html)/i.test(head)) continue;
    refuse(`it is ${what}`, remedy);
  }
  if (/^\x80[\x02-\x05]/.test(head))
    refuse('it is a plain pickle, not a file of torch.save', 'save its weights by torch.save(model.state_dict(), ...)');
}

/** Zip archives of PyTorch that hold a program beside weights, told by the first name that fits. */
const PROGRAMS: readonly [name: RegExp, what: string, remedy: string][] = [
  [
    /^[^/]+\/constants\.pkl$/,
    'a TorchScript program',
    'name the checkpoint it was made from, or torch.save(torch.jit.load(file).state_dict(), ...)',
  ],
  [
    /(^|\/)(serialized_exported_program\.json|models\/[^/]+\.json)$/,
    'a program of torch.export',
    'name the checkpoint it was made from, or torch.save(torch.export.load(file).state_dict, ...)',
  ],
  [/(^|\/)keras_metadata|^model\.weights\.h5$/, 'a Keras file', SAVE_SAFETENSORS],
  [/\.npy$/, 'an .npz archive of numpy', SAVE_WEIGHTS],
];

/** Throws ERR_CHECKPOINT where the names of an archive are those of a program rather than a checkpoint. */
export function foreignZip(names: readonly string[]): void {
  for (const [pattern, what, remedy] of PROGRAMS)
    if (names.some((name) => pattern.test(name))) refuse(`it is ${what}, not a state dict (nothing was run)`, remedy);
}
