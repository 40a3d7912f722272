import { SconceError } from '@sconce/errors';
import { checkNames, type ModelCall } from '@sconce/tensor';
import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import { compile, type CompiledModel, type CompileOptions } from '../compile.ts';
import { Program } from '../frontend/program.ts';
import { scalarTypeOf } from '../scalar-datatype.ts';
import { inputsOfCall, methodParams } from '../signature/inputs-of-call.ts';
import { withNumbersFixed, withoutFixed } from './fixed-numbers.ts';

/** A model that was compiled for a call, and the function that converts calls for it. */
export interface CompiledForCall {
  readonly compiled: CompiledModel;
  /** Removes the arguments that are fixed in the model from a call. */
  readonly reduce: (call: ModelCall) => ModelCall;
  /** Numbers of the call that were fixed, as `name = value`. */
  readonly fixed: readonly string[];
}

/**
 * Compiles the model for the number, types and ranks of a call's tensors, unless the options give others. Every axis stays free.
 * Numbers are inputs of the compiled model. If an operator needs a number at compile time, the model is compiled with the call's
 * numbers fixed.
 *
 * @throws SconceError as `compile`; `invalid_tensor` if the call does not fit the model.
 */
export async function compileForCall(
  archive: TorchScriptArchive,
  call: ModelCall,
  options: CompileOptions,
): Promise<CompiledForCall> {
  const params = methodParams(archive, new Program(archive.sources), options.method ?? 'forward');
  const args = options.args ?? new Map();
  const reduce = (whole: ModelCall): ModelCall => withoutFixed(whole, params, args);
  const reduced = reduce(call);
  try {
    return { compiled: await compile(archive, describedBy(reduced, archive, options)), reduce, fixed: [] };
  } catch (thrown) {
    const numbers = withNumbersFixed(reduced, params, args);
    const unsupported = thrown instanceof SconceError && thrown.details['unsupported'] !== undefined;
    if (numbers === undefined || !unsupported) throw thrown;
    const compiled = await compile(archive, describedBy(numbers.call, archive, { ...options, args: numbers.args }));
    return { compiled, reduce: (whole) => withoutFixed(whole, params, numbers.args), fixed: numbers.fixed };
  }
}

/** The options with the call's tensors as inputs, unless the options give others. Every axis stays free. */
function describedBy(call: ModelCall, archive: TorchScriptArchive, options: CompileOptions): CompileOptions {
  const params = methodParams(archive, new Program(archive.sources), options.method ?? 'forward');
  const { tensors, byName } = checkNames(
    call,
    params.map(({ name }) => name),
  );
  const described = byName
    ? {
        inputs: new Map(
          tensors.map(({ name, datatype, shape }) => [
            name,
            { dtype: scalarTypeOf(datatype), shape: shape.map(() => null) },
          ]),
        ),
        // Parameters that the call does not name take their defaults.
        given: 0,
      }
    : inputsOfCall(
        archive,
        tensors.map(({ datatype, shape }) => ({ dtype: scalarTypeOf(datatype), rank: shape.length })),
        { ...options, fixed: new Set(options.args?.keys()) },
      );
  return { ...options, ...described, inputs: new Map([...(described.inputs ?? []), ...(options.inputs ?? [])]) };
}
