import {
  createFileRegistry,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  type DescFile,
  type DescMethod,
  type FileRegistry,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { DESCRIPTOR_SET } from './descriptors.generated.ts';

/** All message types and services. */
export const REGISTRY: FileRegistry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, Buffer.from(DESCRIPTOR_SET, 'base64')),
);

/** The files of the services. */
export const FILES: readonly DescFile[] = [...REGISTRY.files];

/** The methods of a service, by name. @throws Error if there is no such service. */
export function methodsOf(service: string): readonly DescMethod[] {
  const found = REGISTRY.getService(service);
  if (found === undefined) throw new Error(`there is no service ${service}`);
  return found.methods;
}

/** A request of a method as an object with the field names of the .proto file. @throws Error if the bytes are not valid. */
export function readMessage(method: DescMethod, bytes: Uint8Array): JsonObject {
  const message = fromBinary(method.input, bytes);
  return toJson(method.input, message, { useProtoFieldName: true, registry: REGISTRY }) as JsonObject;
}

/** An answer of a method as bytes. Fields that the .proto file does not have are left out. */
export function writeMessage(method: DescMethod, answer: object): Buffer {
  // The answers are those of the HTTP routes, which leave fields out or have undefined for them.
  const json = JSON.parse(JSON.stringify(answer)) as JsonValue;
  const bytes = toBinary(
    method.output,
    fromJson(method.output, json, { ignoreUnknownFields: true, registry: REGISTRY }),
  );
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
