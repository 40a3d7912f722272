import { SconceError } from '@sconce/errors';
import { DATATYPES, type Tensor } from '@sconce/tensor';
import type { ByteReader, ByteWriter } from './byte-writer.ts';

/** Everything of a tensor but its data. */
export interface TensorHead extends Omit<Tensor, 'data'> {
  readonly byteLength: number;
}

/** Name, datatype, shape and length; the data follow behind all heads of a frame. */
export function writeTensorHead(writer: ByteWriter, { name, datatype, shape, data }: Tensor): void {
  writer.text(name);
  writer.u8(DATATYPES.indexOf(datatype));
  writer.u8(shape.length);
  for (const size of shape) writer.f64(size);
  writer.f64(data.byteLength);
}

export function readTensorHead(reader: ByteReader): TensorHead {
  const name = reader.text();
  const code = reader.u8();
  const datatype = DATATYPES[code];
  if (datatype === undefined) throw new SconceError('internal', `A frame has a tensor of the unknown datatype ${code}`);
  const shape: number[] = [];
  for (let rank = reader.u8(); rank > 0; rank--) shape.push(reader.f64());
  return { name, datatype, shape, byteLength: reader.f64() };
}

/** The tensor with its data as a view of the frame's bytes. */
export function readTensor(reader: ByteReader, { name, datatype, shape, byteLength }: TensorHead): Tensor {
  return { name, datatype, shape, data: reader.bytes(byteLength) };
}
