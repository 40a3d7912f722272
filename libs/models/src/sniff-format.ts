import { SconceError } from '@sconce/errors';
import type { ArtifactFormat } from './model-manifest.ts';
import { looksLikeOnnx } from './sniff-onnx.ts';

/** Number of bytes that `sniffFormat` reads. */
export const SNIFF_HEAD_BYTES = 1024;

/**
 * Finds the format of a file by its first bytes (`SNIFF_HEAD_BYTES`; fewer only if the file is shorter). This is a guess that
 * refuses a wrong file before a long upload. The compiler checks whether the file is valid.
 * @throws SconceError `model_invalid`, which says what the file looks like and what to upload.
 */
export function sniffFormat(head: Uint8Array): ArtifactFormat {
  if (startsWith(head, 0, 'PK\x03\x04')) return 'torchscript';
  if (looksLikeOnnx(head)) return 'onnx';
  const { is, instead = 'upload a TorchScript archive (torch.jit.save) or an ONNX file (torch.onnx.export)' } =
    describe(head);
  throw new SconceError('model_invalid', `the file ${is}, not a model Sconce can run: ${instead}`, {
    details: { param: 'file' },
  });
}

interface Likeness {
  readonly is: string;
  readonly instead?: string;
}

const FROM_PYTHON =
  'load it in Python, then upload what torch.jit.save(torch.jit.script(model), "model.pt") or torch.onnx.export writes';
const UNPACK = 'unpack it and upload the model.pt or model.onnx inside';

const MAGICS: readonly { readonly at: number; readonly magic: string; readonly likeness: Likeness }[] = [
  {
    at: 0,
    magic: '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19',
    likeness: { is: 'is a pickle in the old format of torch.save', instead: FROM_PYTHON },
  },
  { at: 0, magic: '\x1f\x8b', likeness: { is: 'is gzip-compressed', instead: UNPACK } },
  { at: 0, magic: '\x28\xb5\x2f\xfd', likeness: { is: 'is zstd-compressed', instead: UNPACK } },
  { at: 0, magic: 'BZh', likeness: { is: 'is bzip2-compressed', instead: UNPACK } },
  { at: 0, magic: '\xfd7zXZ\0', likeness: { is: 'is xz-compressed', instead: UNPACK } },
  { at: 0, magic: '7z\xbc\xaf\x27\x1c', likeness: { is: 'is a 7z archive', instead: UNPACK } },
  { at: 257, magic: 'ustar', likeness: { is: 'is a tar archive', instead: UNPACK } },
  { at: 0, magic: 'PK\x05\x06', likeness: { is: 'is an empty zip archive' } },
  { at: 0, magic: '\x89HDF\r\n\x1a\n', likeness: { is: 'is an HDF5 file (Keras weights, perhaps)' } },
  { at: 0, magic: 'GGUF', likeness: { is: 'is a GGUF file (llama.cpp)' } },
  { at: 4, magic: 'TFL3', likeness: { is: 'is a TensorFlow Lite model' } },
  {
    at: 4,
    magic: 'ORTM',
    likeness: {
      is: 'is in the internal format of ONNX Runtime (.ort)',
      instead: 'upload the .onnx file it was made from',
    },
  },
  { at: 0, magic: '\x93NUMPY', likeness: { is: 'is a NumPy array (.npy)' } },
  { at: 0, magic: '\x7fELF', likeness: { is: 'is a program or shared library (ELF)' } },
  { at: 0, magic: '\x08\x01\x12', likeness: { is: 'looks like a TensorFlow SavedModel' } },
  {
    at: 0,
    magic: 'version https://git-lfs',
    likeness: {
      is: 'is a Git LFS pointer, not the file it points to',
      instead: 'run "git lfs pull", then upload the real file',
    },
  },
];

function describe(head: Uint8Array): Likeness {
  if (head.byteLength === 0) return { is: 'is empty' };
  const known = MAGICS.find(({ at, magic }) => startsWith(head, at, magic));
  if (known !== undefined) return known.likeness;
  if (isPickle(head)) return { is: 'is a Python pickle, which Sconce never executes', instead: FROM_PYTHON };
  if (isSafetensors(head)) {
    return {
      is: 'is a safetensors file, which holds weights but no program',
      instead: `put the weights into the model in Python; ${FROM_PYTHON}`,
    };
  }
  return describeText(head) ?? { is: `begins with unknown bytes (${hex(head.subarray(0, 8))})` };
}

function isPickle(head: Uint8Array): boolean {
  const protocol = head[1] ?? 0;
  return head[0] === 0x80 && protocol >= 2 && protocol <= 5;
}

/** A little-endian length of 8 bytes, then JSON. */
function isSafetensors(head: Uint8Array): boolean {
  if (head.byteLength < 9 || head[8] !== 0x7b) return false;
  const length = new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
  return length >= 2n && length <= 100_000_000n;
}

function describeText(head: Uint8Array): Likeness | undefined {
  let text: string;
  try {
    // `stream` lets a character be cut at the end of the head.
    text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true }).trimStart();
  } catch {
    return undefined;
  }
  // Text has no control characters besides tab, line feed, form feed and carriage return.
  if (/[\0-\x08\x0b\x0e-\x1f]/.test(text)) return undefined;
  if (/^<(!doctype html|html|head|body)/i.test(text)) {
    return {
      is: 'is an HTML page (an error or login page saved in place of a download, perhaps)',
      instead: 'open it in a browser to see why, and download the model again',
    };
  }
  if (text.startsWith('<')) return { is: 'is XML' };
  if (/^[[{]/.test(text)) return { is: 'is JSON' };
  const line = text.split('\n', 1)[0] ?? '';
  return { is: `is text (it begins ${JSON.stringify(line.slice(0, 40))})` };
}

function startsWith(head: Uint8Array, at: number, magic: string): boolean {
  if (head.byteLength < at + magic.length) return false;
  for (let index = 0; index < magic.length; index++) {
    if (head[at + index] !== magic.charCodeAt(index)) return false;
  }
  return true;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
