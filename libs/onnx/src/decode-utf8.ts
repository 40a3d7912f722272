import { onnxError } from './onnx-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes a string that the file holds as bytes. @throws SconceError `model_invalid` if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw onnxError(`${where} holds a string that is not UTF-8, which is not supported: write the string in UTF-8`);
  }
}
