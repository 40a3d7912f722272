import type { BatchFormat, ModelVersion, SconceClient, TableRequest } from '@sconce/client';
import { previewDataset, previewedTable, type DatasetPreview, type RunRows } from '@sconce/datasets';
import { openFile } from '@sconce/storage';
import { failure } from '../output/failure.ts';

/** What a batch of a file would do, for a version of a model. */
export interface FilePreview extends DatasetPreview {
  readonly model: string;
  readonly version: string;
}

/** A request that says the format of its dataset. */
export type FormattedRequest = TableRequest & { readonly format: BatchFormat };

/** Looks at a file of this machine as a batch would, and scores its first rows if `scores` is set. Nothing else is sent. */
export async function previewFile(
  client: SconceClient,
  { request, path, file, scores }: { request: FormattedRequest; path: string; file: string; scores: boolean },
): Promise<FilePreview> {
  const { model } = request;
  const version = request.version ?? (await client.modelStates.get(model)).serving ?? undefined;
  const { signature, batch, ...found } = await readyVersion(client, model, version);
  const rowInputs = batch?.axis === 'none' ? [] : (batch?.inputs ?? signature.inputs.map(({ name }) => name));
  const run: RunRows = async (inputs) => {
    const { outputs } = await client.infer(model, { inputs, binary: true }, { version: found.version });
    return outputs;
  };
  const preview = await previewDataset(await openFile(path), {
    table: previewedTable(request, { format: request.format, file }),
    model: { signature, rowInputs: new Set(rowInputs) },
    run: scores ? run : undefined,
  });
  return { model, version: found.version, ...preview };
}

/** A version that is ready. */
type ReadyVersion = Pick<ModelVersion, 'version' | 'batch'> & Required<Pick<ModelVersion, 'signature'>>;

async function readyVersion(client: SconceClient, model: string, version: string | undefined): Promise<ReadyVersion> {
  if (version === undefined) {
    throw failure('model_not_ready', `Model "${model}" serves no version.`, {
      hint: '`sconce models show NAME` says why.',
    });
  }
  const found = await client.models.get(model, version);
  const { signature, batch, status } = found;
  if (signature === undefined) {
    throw failure('model_not_ready', `Version ${version} of model "${model}" is ${status}.`, {
      hint: '`sconce models show NAME` says why.',
    });
  }
  return { version: found.version, signature, batch };
}
