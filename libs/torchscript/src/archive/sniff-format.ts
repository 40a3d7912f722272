import { modelError } from '../torchscript-error.ts';

const HOW =
  'Load the model in Python and save it as TorchScript: torch.jit.trace(model.eval(), example).save("model.pt")';

interface Format {
  readonly matches: (head: Uint8Array, text: string) => boolean;
  /** The kind of file, for messages. */
  readonly is: string;
  readonly advice: string;
}

const hasBytes = (head: Uint8Array, offset: number, text: string): boolean =>
  [...text].every((char, i) => head[offset + i] === char.charCodeAt(0));

/** Formats of files that are not zip archives, by their first bytes. The first match counts. */
const FORMATS: readonly Format[] = [
  {
    matches: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
    is: 'a Git LFS pointer: a few lines in place of the model, which was not downloaded',
    advice: 'Run "git lfs pull" in the repository it came from and use the file that appears',
  },
  {
    matches: (_, text) => /^\s*<(!doctype|html|head|\?xml)/i.test(text),
    is: 'a web page (HTML or XML), not a model',
    advice: 'The download gave an error or login page: open the address in a browser, then download the file itself',
  },
  {
    matches: (head) => hasBytes(head, 0, 'PYTORCH1'),
    is: 'a TorchScript file of a PyTorch 1.0 preview',
    advice: 'Load it with torch.jit.load in PyTorch 1.0 to 1.3 and rebuild the model in a current PyTorch. ' + HOW,
  },
  {
    matches: (head) => hasBytes(head, 0, '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19'),
    is: 'a checkpoint of torch.save in the format before PyTorch 1.6: weights or a pickled module, without code',
    advice: HOW,
  },
  {
    matches: (head) => head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 9) <= 5,
    is: 'a Python pickle: it needs Python and the classes it was made of',
    advice: HOW,
  },
  {
    matches: (head) => hasBytes(head, 4, 'PTMF'),
    is: 'a PyTorch mobile model in the flatbuffer format (.ff)',
    advice: 'Save the scripted module it was made of with torch.jit.save',
  },
  {
    matches: (head) => hasBytes(head, 4, 'ET') && /^\d\d$/.test(String.fromCharCode(head[6] ?? 0, head[7] ?? 0)),
    is: 'an ExecuTorch program (.pte)',
    advice: 'It is compiled for devices: ' + HOW.replace('Load', 'load'),
  },
  {
    matches: (head) => hasBytes(head, 4, 'TFL3'),
    is: 'a TensorFlow Lite model',
    advice: 'Only TorchScript files of PyTorch are read',
  },
  {
    matches: (head) => hasBytes(head, 0, '\x89HDF\r\n\x1a\n'),
    is: 'an HDF5 file (Keras saves such models)',
    advice: 'Only TorchScript files of PyTorch are read',
  },
  {
    matches: (head) => hasBytes(head, 0, 'GGUF') || hasBytes(head, 0, 'ggml') || hasBytes(head, 0, 'lmgg'),
    is: 'a GGUF model of llama.cpp',
    advice: 'Only TorchScript files of PyTorch are read',
  },
  {
    matches: (head) => hasBytes(head, 0, '\x93NUMPY'),
    is: 'a NumPy array (.npy)',
    advice: HOW,
  },
  {
    matches: isSafetensors,
    is: 'a safetensors file: weights without code',
    advice:
      'Load them into the model they belong to in Python; then save that: torch.jit.trace(model.eval(), example).save("model.pt")',
  },
  {
    matches: isOnnx,
    is: 'an ONNX model',
    advice:
      'Only TorchScript files are read here: save the PyTorch model it came from, torch.jit.trace(model.eval(), example).save("model.pt")',
  },
  {
    matches: (head) => head[0] === 0x1f && head[1] === 0x8b,
    is: 'a gzip archive',
    advice: 'Unpack it and use the .pt file in it',
  },
  {
    matches: (head) => hasBytes(head, 257, 'ustar'),
    is: 'a tar archive (PyTorch before 0.2 saved checkpoints so)',
    advice: 'Unpack it and use the .pt file in it, if there is one. Otherwise: ' + HOW,
  },
];

/** Number of bytes at the start of a file that show its format. */
export const HEAD_BYTES = 512;

/**
 * Refuses a file that is not a zip archive. The message names its kind.
 *
 * @param head the first `HEAD_BYTES` bytes of the file, or all if it is shorter.
 * @throws SconceError `model_invalid` of stage `format`.
 */
export function refuseOtherFormats(head: Uint8Array): void {
  if (head.length === 0) {
    throw modelError('format', 'the file is empty: the upload or copy did not go through; send it again', {
      format: 'empty',
    });
  }
  if (hasBytes(head, 0, 'PK\x03\x04')) return;
  if (hasBytes(head, 0, 'PK\x05\x06')) {
    throw modelError('format', `the file is an empty zip archive, not a TorchScript model. ${HOW}`);
  }
  const text = String.fromCharCode(...head);
  const format = FORMATS.find(({ matches }) => matches(head, text));
  if (format !== undefined) {
    throw modelError('format', `the file is ${format.is}. It is not TorchScript. ${format.advice}`);
  }
  const start = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw modelError(
    'format',
    `the file is not a TorchScript model, which is a zip archive; it begins with the bytes ${start}. ${HOW}`,
  );
}

/** A safetensors file starts with eight bytes of header length, then JSON. */
function isSafetensors(head: Uint8Array): boolean {
  return head[8] === 0x7b && (head[5] ?? 1) === 0 && (head[6] ?? 1) === 0 && (head[7] ?? 1) === 0;
}

/** All writers of ONNX start the protobuf with `ir_version`. Another field of ModelProto follows. */
function isOnnx(head: Uint8Array): boolean {
  const next = head[2] ?? 0;
  return (
    head[0] === 0x08 &&
    (head[1] ?? 0) >= 1 &&
    (head[1] ?? 99) < 32 &&
    [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(next)
  );
}

interface ZipFormat {
  /** Gets the names below the root folder, and the full names. */
  readonly matches: (has: (pattern: RegExp) => boolean) => boolean;
  readonly is: string;
  readonly advice: string;
}

const INCOMPLETE =
  'a TorchScript archive with parts missing (the code, its constants or data.pkl): torch.jit.save failed or was stopped before its end';
const SAVE_AGAIN =
  'Save the model again and look at the error of torch.jit.save. Often the model calls a function of Python: one with @torch.jit.ignore, for example';

/** Formats of zip archives without `data.pkl` and `code/`, by the names in them. */
const ZIP_FORMATS: readonly ZipFormat[] = [
  {
    matches: (has) =>
      has(/(^|\/)models\/[^/]+\.json$/) ||
      has(/(^|\/)archive_format$/) ||
      has(/(^|\/)serialized_exported_program\.json$/),
    is: 'a .pt2 archive of torch.export',
    advice: 'Only TorchScript is read: torch.jit.trace(model.eval(), example).save("model.pt") of the same model',
  },
  {
    matches: (has) => has(/(^|\/)\.data\/(python_version|extern_modules)$/),
    is: 'a torch.package archive, which needs Python to run',
    advice: HOW,
  },
  {
    matches: (has) => has(/(^|\/)MAR-INF\/MANIFEST\.json$/),
    is: 'a TorchServe model archive (.mar)',
    advice: 'Unpack it (it is a zip archive) and use the .pt file in it',
  },
  {
    matches: (has) => has(/(^|\/)model\.weights\.h5$/) || (has(/(^|\/)metadata\.json$/) && has(/(^|\/)config\.json$/)),
    is: 'a Keras model (.keras)',
    advice: 'Only TorchScript files of PyTorch are read',
  },
  {
    matches: (has) => has(/^([^/]+\/)?model\.json$/) && has(/(^|\/)(code|tensors)\//),
    is: 'a TorchScript archive of PyTorch 1.3 or earlier',
    advice: 'Load it with torch.jit.load in a PyTorch from 1.4 to 2.x and save it again with torch.jit.save',
  },
  {
    matches: (has) => has(/^[^/]+\/code\//) || has(/^[^/]+\/bytecode\.pkl$/),
    is: INCOMPLETE,
    advice: SAVE_AGAIN,
  },
  {
    matches: (has) => has(/^[^/]+\/data\.pkl$/),
    is: 'a checkpoint of torch.save (a state_dict, or a pickled module): weights without code',
    advice:
      'Build the model in Python and load the checkpoint into it; then save that: torch.jit.trace(model.eval(), example).save("model.pt")',
  },
  {
    matches: (has) => has(/\.npy$/),
    is: 'a NumPy archive (.npz)',
    advice: HOW,
  },
];

/** The error for a zip archive that is not a TorchScript model. It names the archive's kind. `holdsModule`: its pickle has a compiled module. */
export function notTorchScript(names: readonly string[], holdsModule = false): Error {
  if (holdsModule) return modelError('format', `the file is ${INCOMPLETE}. ${SAVE_AGAIN}`);
  const format = ZIP_FORMATS.find(({ matches }) => matches((pattern) => names.some((name) => pattern.test(name))));
  if (format !== undefined)
    return modelError('format', `the file is ${format.is}. It is not TorchScript. ${format.advice}`);
  const some = names.slice(0, 3).map((name) => JSON.stringify(name.slice(0, 100)));
  const model = names.find((name) => /\.(pt|pth|torchscript)$/.test(name));
  const advice = model === undefined ? HOW : `Unpack it and use ${JSON.stringify(model.slice(0, 100))} in it`;
  return modelError(
    'format',
    `the file is a zip archive (${some.join(', ')}, …) but not a TorchScript model. ${advice}`,
  );
}
