import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ModelConfig } from '@sconce/contracts';
import { casesOf, decodeSafetensors, viewOf, type CallCase, type Tensor, type TensorSpec } from '@sconce/tensor';
import { loadArtifact, type Artifact, type LoadedArtifact } from '../load-artifact.ts';

/** A file of test/conformance: archives that PyTorch wrote, with its outputs. See the README there. */
const conformanceFile = (name: string): string =>
  fileURLToPath(new URL(`../../../../../test/conformance/cases/${name}`, import.meta.url));

/** The cases of an archive of test/conformance. */
export const casesIn = (name: string): CallCase[] =>
  casesOf(decodeSafetensors(readFileSync(conformanceFile(`${name}.safetensors`))));

/** Loads artifacts, and releases their sessions after a test. */
export class ArtifactLoader {
  readonly #loaded: LoadedArtifact[] = [];

  /** An archive of test/conformance. */
  torchScript(name: string, config: ModelConfig = {}, cases: readonly CallCase[] = []): Promise<LoadedArtifact> {
    return this.load({ path: conformanceFile(`${name}.pt`), format: 'torchscript' }, config, cases);
  }

  onnx(path: string, config: ModelConfig = {}): Promise<LoadedArtifact> {
    return this.load({ path, format: 'onnx' }, config, []);
  }

  async load(artifact: Artifact, config: ModelConfig, cases: readonly CallCase[]): Promise<LoadedArtifact> {
    const loaded = await loadArtifact(artifact, config, cases);
    this.#loaded.push(loaded);
    return loaded;
  }

  async releaseAll(): Promise<void> {
    for (const { session } of this.#loaded.splice(0)) await session.release();
  }
}

type ConfigTensor = NonNullable<ModelConfig['input']>[number];

/** An input or output of a config. */
export const configTensor = (
  name: string,
  dims: number[],
  type: ConfigTensor['data_type'] = 'TYPE_FP32',
): ConfigTensor => ({ name, data_type: type, dims });

const texts = (specs: readonly TensorSpec[]): string[] =>
  specs.map(({ name, datatype, shape }) => `${name} ${datatype}[${shape.join(',')}]`);
/** The inputs of a loaded model as text, e.g. `x FP32[-1,4]`. */
export const inputsOf = ({ session }: LoadedArtifact): string[] => texts(session.signature.inputs);
export const outputsOf = ({ session }: LoadedArtifact): string[] => texts(session.signature.outputs);

/** One call; the outputs are copies. */
export async function runModel(
  model: LoadedArtifact,
  tensors: readonly Tensor[],
  state = model.state,
): Promise<Tensor[]> {
  const names = model.session.signature.outputs.map(({ name }) => name);
  const outputs = await model.session.run(model.bind({ tensors, byName: false }, state), names, new Map());
  return outputs.map((output) => ({ ...output, data: output.data.slice() }));
}

export const numbersOf = (tensor: Tensor | undefined): number[] =>
  Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }), Number);

/** An FP32 tensor with the name `any`. */
export const floats = (shape: readonly number[], ...values: number[]): Tensor => ({
  name: 'any',
  datatype: 'FP32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
