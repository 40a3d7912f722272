import { ERROR_POLICY, type SconceError } from '@sconce/errors';
import { encodeInferResponse, sliceRows, type InferRequest, type Tensor } from '@sconce/tensor';

/** The model that answered a request. */
export interface AnsweringModel {
  readonly name: string;
  readonly version: string;
  /** Inputs whose axis 0 has the rows. Empty if each request runs alone, so that all outputs of a run are its own. */
  readonly rowInputs: ReadonlySet<string>;
}

/** The line of the output file for an answered request. `id` identifies the line and is the same each time the line is written. */
export function answerLine(options: {
  readonly id: string;
  readonly customId: string | null;
  readonly request: InferRequest;
  readonly model: AnsweringModel;
  /** Outputs of the run; `start` and `rows` are the request's rows in it. */
  readonly outputs: readonly Tensor[];
  readonly start: number;
  readonly rows: number;
}): string {
  const { id, customId, request, model, start, rows } = options;
  const own =
    model.rowInputs.size === 0
      ? options.outputs
      : options.outputs.map((output) => sliceRows(output, start, start + rows));
  const { body } = encodeInferResponse({
    modelName: model.name,
    modelVersion: model.version,
    outputs: own,
    requested: request.outputs,
    id: request.id,
  });
  const response = `{"status_code":200,"request_id":${JSON.stringify(id)},"body":${Buffer.from(body).toString('utf8')}}`;
  return `{"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)},"response":${response},"error":null}\n`;
}

/** The line of the error file for a request that failed. It has the error that an online request would get. */
export function failureLine(options: {
  readonly id: string;
  readonly customId: string | null;
  readonly error: SconceError;
}): string {
  const { id, customId, error } = options;
  const { code, message, details } = error;
  const status = ERROR_POLICY[code].http;
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  return `${JSON.stringify({
    id,
    custom_id: customId,
    response: {
      status_code: status,
      request_id: id,
      body: { error: { message, type, code, param: details.param ?? null } },
    },
    error: null,
  })}\n`;
}
