import { onnxError } from './onnx-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A text that the file holds as bytes. @throws SconceError `model_invalid` where they are not UTF-8. */
export function text(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw onnxError(`${where} holds a string that is not UTF-8, which is not supported`);
  }
}
