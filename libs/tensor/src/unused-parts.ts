import type { InferHead, OipParameters } from './oip-head.ts';
import { quote, requestError } from './tensor-error.ts';

/** Most parts that are named. One more says that there are others. */
export const MAX_UNUSED = 8;

/** Parameters by the object that has them. */
const USED = {
  request: new Set(['timeout', 'priority', 'binary_data_output']),
  input: new Set(['binary_data_size']),
  output: new Set(['binary_data', 'classification']),
} as const;

/** Fields by the object that has them. */
const FIELDS = {
  input: new Set(['name', 'datatype', 'shape', 'parameters', 'data']),
  output: new Set(['name', 'parameters']),
} as const;

const NO_SEQUENCES = 'this server keeps no state between the requests of a sequence';
const NO_SHARED_MEMORY = 'this server reads no shared memory: send the data with the request';

/** Parameters of extensions that are not supported. Without them the answer would be another one than the caller expects. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['sequence_id', NO_SEQUENCES],
  ['sequence_start', NO_SEQUENCES],
  ['sequence_end', NO_SEQUENCES],
  ['shared_memory_region', NO_SHARED_MEMORY],
  ['shared_memory_offset', NO_SHARED_MEMORY],
  ['shared_memory_byte_size', NO_SHARED_MEMORY],
]);

/** The entries of a request as JSON has them. */
interface RawEntries {
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
}

/**
 * Names the parameters and fields of a request that nothing uses; undefined if all are used. Nothing is allocated then. `extra` counts whole.
 * Throws 'invalid_request' with the parameter's name for a parameter of an extension that is not supported.
 */
export function unusedParts(
  head: Pick<InferHead, 'parameters' | 'inputs' | 'outputs' | 'extra'>,
  raw?: RawEntries,
): string[] | undefined {
  const { extra, inputs, outputs = [] } = head;
  let unused: string[] | undefined;
  for (const name in extra) unused = named(unused, name);
  unused = unusedParameters(unused, { parameters: head.parameters, of: 'request', path: '' });
  for (let index = 0; index < inputs.length; index++) {
    const path = `inputs[${index}].`;
    const parameters = inputs[index]?.parameters ?? {};
    unused = unusedParameters(unused, { parameters, of: 'input', path });
    unused = unusedFields(unused, { entry: raw?.inputs[index], of: 'input', path });
  }
  for (let index = 0; index < outputs.length; index++) {
    const path = `outputs[${index}].`;
    const parameters = outputs[index]?.parameters ?? {};
    unused = unusedParameters(unused, { parameters, of: 'output', path });
    unused = unusedFields(unused, { entry: raw?.outputs[index], of: 'output', path });
  }
  return unused;
}

interface Parameters {
  readonly parameters: OipParameters;
  readonly of: keyof typeof USED;
  readonly path: string;
}

function unusedParameters(unused: string[] | undefined, { parameters, of, path }: Parameters): string[] | undefined {
  let found = unused;
  for (const name in parameters) {
    if (USED[of].has(name)) continue;
    const value = parameters[name];
    const why = UNSUPPORTED.get(name);
    if (why === undefined) found = named(found, `${path}parameters.${name}`);
    // Some clients write 0, "" and false for "no sequence".
    else if (value !== 0 && value !== '' && value !== false) {
      throw requestError(name, `${path}parameters: ${quote(name)} is not supported: ${why}`);
    }
  }
  return found;
}

interface Fields {
  readonly entry: unknown;
  readonly of: keyof typeof FIELDS;
  readonly path: string;
}

function unusedFields(unused: string[] | undefined, { entry, of, path }: Fields): string[] | undefined {
  let found = unused;
  for (const name in entry as Record<string, unknown> | undefined) {
    if (!FIELDS[of].has(name)) found = named(found, `${path}${name}`);
  }
  return found;
}

/** Adds a name, within MAX_UNUSED. */
export function named(unused: string[] | undefined, name: string): string[] {
  const names = unused ?? [];
  if (names.length <= MAX_UNUSED) names.push(name);
  return names;
}
