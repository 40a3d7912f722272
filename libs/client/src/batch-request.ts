import type { BatchRequestInput, BatchStatus, FinalBatchStatus } from '@sconce/contracts';

/** How a table is scored. `POST /v1/batches` documents each field. */
export type TableRequest = Omit<BatchRequestInput, 'input_file_id' | 'input_url' | 'endpoint' | 'model'> & {
  readonly model: string;
};

/** A request for a batch: a table, or OpenAI's request lines. The dataset is an uploaded file or a place that the operator allows. */
export type BatchRequest = (
  TableRequest | (Omit<TableRequest, 'model' | 'version' | 'format'> & { readonly endpoint: string })
) &
  ({ readonly input_file_id: string } | { readonly input_url: string });

// A record, so that a final state added to the contract and forgotten here does not compile.
const FINAL: Readonly<Record<FinalBatchStatus, true>> = {
  completed: true,
  failed: true,
  expired: true,
  cancelled: true,
};

/** Whether a batch has ended. */
export function hasEnded({ status }: { readonly status: BatchStatus }): boolean {
  return Object.hasOwn(FINAL, status);
}
