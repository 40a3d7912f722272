import { Z_BUF_ERROR, Z_FINISH, Z_STREAM_END, ZStream, zlibInflate, zlibInflateInit2 } from 'pako';

import { modelError } from '../torchscript-error.ts';

/** The largest ratio that deflate reaches: 258 bytes for two bits. */
const MAX_RATIO = 1032;
/** zlib's largest window. A negative number means raw deflate data, without a zlib header. */
const RAW_WINDOW_BITS = -15;

/**
 * Inflates raw deflate data (RFC 1951) to exactly `length` bytes. It allocates these bytes and at most 48 KiB for its work, and
 * stops as soon as the data gives more. ADR 23 says why it uses pako.
 *
 * The platform's decompression stream does not fit: it is asynchronous, and it takes longer to set up than a small record takes
 * to inflate.
 *
 * @throws SconceError `model_invalid` if the data is corrupt, gives another length, or is followed by other bytes; `name` is for
 * the message.
 */
export function inflate(data: Uint8Array, length: number, name: string): Uint8Array {
  if (length > data.length * MAX_RATIO) throw corrupt(name, 'it cannot have as many bytes as the directory says');
  const output = new Uint8Array(length);
  const stream = new ZStream();
  Object.assign(stream, { input: data, avail_in: data.length, output, avail_out: length });
  zlibInflateInit2(stream, RAW_WINDOW_BITS);
  const status = zlibInflate(stream, Z_FINISH);
  if (status === Z_BUF_ERROR) {
    const full = stream.avail_out === 0;
    throw corrupt(name, full ? 'it is cut off, or has more bytes than the directory says' : 'it is cut off');
  }
  if (status !== Z_STREAM_END) throw corrupt(name, stream.msg);
  if (stream.avail_out > 0) throw corrupt(name, 'it has fewer bytes than the directory says');
  if (stream.avail_in > 0) throw corrupt(name, 'bytes are left over');
  return output;
}

function corrupt(name: string, what: string): Error {
  const message = `record ${name}: its compressed data is corrupt (${what}); copy the file again, or save the model again`;
  return modelError('archive', message, { record: name });
}
