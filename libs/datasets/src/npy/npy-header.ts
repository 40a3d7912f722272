import type { ByteSource } from '@sconce/storage';
import { DATATYPE_BYTES, type FixedDatatype } from '@sconce/tensor';
import { datasetError, shown } from '../dataset-error.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const MAX_HEADER_BYTES = 64 * 1024;
/** The data begin at a multiple of this offset. */
const ALIGNMENT = 64;

/** NumPy's name of each datatype; BF16 has none. Elements wider than a byte are little-endian. */
const DESCR: Readonly<Partial<Record<FixedDatatype, string>>> = {
  BOOL: '|b1',
  UINT8: '|u1',
  INT8: '|i1',
  UINT16: '<u2',
  UINT32: '<u4',
  UINT64: '<u8',
  INT16: '<i2',
  INT32: '<i4',
  INT64: '<i8',
  FP16: '<f2',
  FP32: '<f4',
  FP64: '<f8',
};

/** The header of a `.npy` file. */
export interface NpyHeader {
  readonly datatype: FixedDatatype;
  readonly shape: readonly number[];
  /** Offset of the data in the file. */
  readonly dataOffset: number;
  /** Whether the first byte of an element is its highest. */
  readonly isBigEndian: boolean;
  /** Whether neighbours along axis 0, not along the last one, lie beside each other. */
  readonly isFortran: boolean;
}

/**
 * Reads the header of a `.npy` file, versions 1 to 3: one array.
 * @throws SconceError `invalid_dataset` for what is none, is cut off, or holds what no tensor has.
 */
export async function readNpyHeader(source: ByteSource): Promise<NpyHeader> {
  const start = Buffer.from(await source.read(0, Math.min(12, source.size)));
  if (start.length < 12 || !start.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw datasetError('The file is not a .npy file: it does not begin with \\x93NUMPY.');
  }
  const version = start[6] ?? 0;
  if (version < 1 || version > 3) throw datasetError(`The .npy file has version ${version}; expected 1 to 3.`);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = start.readUIntLE(8, lengthBytes);
  const dataOffset = 8 + lengthBytes + length;
  if (length > MAX_HEADER_BYTES || dataOffset > source.size) {
    throw datasetError(`The .npy file is cut off or damaged: its header should have ${length} bytes.`);
  }
  const text = Buffer.from(await source.read(8 + lengthBytes, length)).toString('utf8');
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const dimensions = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || dimensions === undefined) {
    throw datasetError(`The .npy file does not contain a plain array: its header is ${shown(text.trim())}.`);
  }
  const datatype = datatypeOf(descr);
  const shape = dimensions.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  const bytes = shape.reduce((product, size) => product * size, DATATYPE_BYTES[datatype]);
  if (source.size - dataOffset !== bytes) {
    throw datasetError(
      `The .npy file is cut off or damaged: shape (${shape.join(', ')}) of ${descr} needs ${bytes} bytes, and the file has ${source.size - dataOffset}.`,
    );
  }
  // With one axis, both orders are the same.
  const isFortran = fortran === 'True' && shape.length > 1;
  return { datatype, shape, dataOffset, isBigEndian: descr.startsWith('>'), isFortran };
}

/** Makes a header for an array of this datatype and shape. */
export function npyHeader(datatype: FixedDatatype, shape: readonly number[]): Buffer {
  const descr = DESCR[datatype];
  if (descr === undefined) throw datasetError(`.npy has no type for ${datatype}.`);
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`;
  // NumPy pads with spaces and ends the header with a newline.
  const prefix = MAGIC.length + 4;
  const padded = Math.ceil((prefix + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(padded, ' ');
  MAGIC.copy(header);
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(padded - prefix, 8);
  header.write(text, prefix, 'latin1');
  header[padded - 1] = 10;
  return header;
}

function datatypeOf(descr: string): FixedDatatype {
  const kind = descr.slice(1);
  const known = Object.entries(DESCR).find(([, own]) => /^[<>=|]/.test(descr) && own.slice(1) === kind);
  if (known !== undefined) return known[0] as FixedDatatype;
  throw datasetError(`The .npy file has elements of type ${shown(descr)}, which tensors do not support.`);
}
