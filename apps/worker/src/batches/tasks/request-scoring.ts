import { concatRows, sliceRows, type Tensor } from '@sconce/tensor';
import { REQUEST_COLUMNS, answerLine, failureLine, groupRequests, readRequests, type RowBlock } from '@sconce/datasets';
import { SconceError, deserializeError } from '@sconce/errors';
import type { RunPiece, ScoreTask } from '../dataset-protocol.ts';
import { checkPieces } from '../run-pieces.ts';
import type { ScoredBlock, Scoring } from './score-chunk.ts';
import type { TaskContext } from './task-context.ts';

/** Scores request lines. */
export function requestScoring({ plan, batchId, giveUp }: ScoreTask): Scoring {
  const { signature, endpoint, name, version, budget } = plan.model;
  const rowInputs = new Set(plan.model.rowInputs);
  const model = { signature, endpoint, rowInputs, budget };
  const answering = { name, version, rowInputs };
  const idOf = ({ firstRow }: { readonly firstRow: number }, row: number): string =>
    `batch_req_${batchId.slice(-12)}_${firstRow + row + 1}`;

  async function begin(block: RowBlock, context: TaskContext): Promise<ScoredBlock> {
    const lines = readRequests(block, model);
    const written: (string | undefined)[] = [];
    const errors: (string | undefined)[] = [];
    const fail = (row: number, error: SconceError): void => {
      errors[row] = failureLine({ id: idOf(block, row), customId: lines[row]?.customId ?? null, error });
    };
    for (const [row, { problem }] of lines.entries()) if (problem !== undefined) fail(row, problem);
    const groups = groupRequests(lines, model);
    const inputBytes = groups.reduce(
      (sum, { inputs }) => sum + inputs.reduce((own, { data }) => own + data.byteLength, 0),
      0,
    );
    await Promise.all(
      groups.map(async ({ inputs, members }) => {
        const rows = members.reduce((sum, member) => sum + member.rows, 0);
        const outputs = signature.outputs.map((output) => output.name);
        const pieces = await context.run({ inputs, rows, outputs });
        checkPieces(pieces, rows);
        for (const { row, start, rows: own } of members) {
          const request = lines[row]?.request;
          if (request === undefined) continue;
          const answer = answerOf(pieces, { start, rows: own, whole: rowInputs.size === 0 });
          if (answer instanceof SconceError) {
            fail(row, answer);
            continue;
          }
          const customId = lines[row]?.customId ?? null;
          try {
            written[row] = answerLine({ id: idOf(block, row), customId, request, model: answering, ...answer });
          } catch (error) {
            fail(row, error instanceof SconceError ? error : new SconceError('internal', String(error)));
          }
        }
      }),
    );
    const failures = errors.filter((line) => line !== undefined);
    return {
      rows: block.rows - failures.length,
      failed: failures.length,
      inputBytes,
      write: () => ({ body: [Buffer.from(written.filter((line) => line !== undefined).join(''))], errors: failures }),
      free: () => undefined,
    };
  }

  return {
    columns: REQUEST_COLUMNS,
    begin,
    end: () => ({ body: [], trailer: new Uint8Array(0) }),
    identifiesRows: true,
    giveUp: (own) => {
      const error = deserializeError(giveUp);
      const lines = own.block === undefined ? [] : readRequests(own.block, model);
      return Array.from({ length: own.rows }, (_, row) =>
        failureLine({ id: idOf(own, row), customId: lines[row]?.customId ?? null, error }),
      );
    },
  };
}

/** Finds a request's rows in the pieces: its outputs with its first row in them, or the error of the first piece that failed. */
function answerOf(
  pieces: readonly RunPiece[],
  at: { readonly start: number; readonly rows: number; readonly whole: boolean },
): { outputs: readonly Tensor[]; start: number; rows: number } | SconceError {
  const { start, rows, whole } = at;
  const own: { outputs: readonly Tensor[]; from: number; to: number }[] = [];
  let first = 0;
  for (const piece of pieces) {
    const end = first + piece.rows;
    if (end > start && first < start + rows) {
      if ('error' in piece) return deserializeError(piece.error);
      own.push({
        outputs: piece.outputs,
        from: Math.max(start, first) - first,
        to: Math.min(start + rows, end) - first,
      });
    }
    first = end;
  }
  const [only] = own;
  if (only === undefined) return new SconceError('internal', 'A run did not answer the rows of a request');
  if (whole || own.length === 1) return { outputs: only.outputs, start: only.from, rows };
  const outputs = only.outputs.map((output, index) =>
    concatRows(own.map(({ outputs: part, from, to }) => sliceRows(part[index] ?? output, from, to))),
  );
  return { outputs, start: 0, rows };
}
