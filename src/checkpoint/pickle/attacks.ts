/**
 * Names by which a pickle attacks the program that unpickles it: commands, code, imports. Nothing of any file is run
 * here, so this list only decides the answer: a file with such a name is an attack and is refused as a whole, while
 * other unknown objects come from a training script and are skipped.
 */
const MODULES = new Set(
  (
    'os posix nt subprocess _posixsubprocess sys importlib runpy shutil socket _socket ctypes _ctypes pty marshal pickle _pickle ' +
    'cPickle webbrowser timeit pdb bdb cProfile zipimport pkgutil pip ensurepip distutils builtins __builtin__'
  ).split(' '),
);

/** Functions that are listed in full, as scripts may have packages with the names of these modules. */
const FUNCTIONS = new Set(
  (
    'code.interact code.InteractiveInterpreter code.InteractiveConsole commands.getoutput commands.getstatusoutput profile.run ' +
    'profile.runctx torch.load torch.serialization.load torch.hub.load torch.utils.cpp_extension.load'
  ).split(' '),
);

/** Matches results of these modules, which are plain values. */
const RESULT =
  /^(((os|posix|nt)\.(\w+_result|terminal_size|_Environ))|subprocess\.(CompletedProcess|CalledProcessError|TimeoutExpired)|sys\.\w+_info|sys\.flags|socket\.[A-Z]\w*|pickle\.PickleBuffer)$/;

/** Matches types of the language; names of errors begin with a capital letter. */
const TYPE =
  /^(builtins|__builtin__)\.([A-Z]\w*|object|set|frozenset|bytearray|bytes|complex|slice|x?range|tuple|list|dict|int|long|float|str|unicode|bool|type|memoryview|enumerate|zip|map|filter|reversed|property|iter|print|len|abs|max|min|sum|sorted|round|any|all)$/;

/** True for a name that no training script puts into a checkpoint. */
export function isAttack(name: string): boolean {
  if (FUNCTIONS.has(name)) return true;
  return MODULES.has(name.slice(0, name.indexOf('.'))) && !RESULT.test(name) && !TYPE.test(name);
}
