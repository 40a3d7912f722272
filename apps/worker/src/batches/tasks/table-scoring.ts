import {
  InputEncoder,
  OutputEncoder,
  createWriter,
  missingValue,
  numberFormat,
  type ColumnValues,
  type EncodedInputs,
  type GroupResult,
  type RowBlock,
  type RowProblem,
} from '@sconce/datasets';
import { deserializeError } from '@sconce/errors';
import type { ScoreTask } from '../dataset-protocol.ts';
import { checkPieces } from '../run-pieces.ts';
import { freeTensors } from '../transfer-list.ts';
import type { ScoredBlock, Scoring } from './score-chunk.ts';
import type { TaskContext } from './task-context.ts';

/** Scores the rows of a table. */
export async function tableScoring({ plan, giveUp }: ScoreTask): Promise<Scoring> {
  const inputs = new InputEncoder(plan.inputs, {
    allowNonFinite: plan.allowNonFinite,
    missing: missingValue(plan.missing),
    numbers: numberFormat(plan.csv),
  });
  const outputs = new OutputEncoder(plan.columns);
  const columns = [...new Set([...inputs.columns, ...outputs.passThrough])];
  const passedAt = outputs.passThrough.map((name) => columns.indexOf(name));
  const writer = (await createWriter(plan.columns, plan.outputFormat, { csv: plan.csv })).part();

  // Not async: a block holds thousands of values, and they should not stay in memory until its rows have run.
  function begin(block: RowBlock, context: TaskContext): Promise<ScoredBlock> {
    const { firstRow, rows } = block;
    return run(
      inputs.encode(block),
      { firstRow, blockRows: rows, passed: outputs.copyPassed(block, passedAt) },
      context,
    );
  }

  async function run(
    encoded: EncodedInputs,
    { firstRow, blockRows, passed }: { firstRow: number; blockRows: number; passed: readonly ColumnValues[] },
    context: TaskContext,
  ): Promise<ScoredBlock> {
    const problems = new Map<number, RowProblem & { code?: string }>(encoded.problems);
    const results: GroupResult[] = [];
    const inputBytes = encoded.groups.reduce(
      (sum, group) => sum + group.inputs.reduce((own, { data }) => own + data.byteLength, 0),
      0,
    );
    await Promise.all(
      encoded.groups.map(async ({ rows, inputs: tensors }) => {
        const pieces = await context.run({ inputs: tensors, rows: rows.length, outputs: outputs.outputs });
        checkPieces(pieces, rows.length);
        let start = 0;
        for (const piece of pieces) {
          const own = rows.slice(start, start + piece.rows);
          start += piece.rows;
          if ('outputs' in piece) {
            results.push({ rows: own, outputs: piece.outputs });
            continue;
          }
          const { code, message } = deserializeError(piece.error);
          for (const row of own) problems.set(row, { message, code });
        }
      }),
    );
    results.sort((a, b) => (a.rows[0] ?? 0) - (b.rows[0] ?? 0));
    const rows = blockRows - problems.size;
    return {
      rows,
      failed: problems.size,
      inputBytes,
      write: () => ({
        body: rows === 0 ? [] : writer.write(outputs.encode(results, passed)),
        errors: [...problems].sort(([a], [b]) => a - b).map(([row, problem]) => errorLine(firstRow + row, problem)),
      }),
      free: () => {
        for (const result of results) freeTensors(result.outputs);
      },
    };
  }

  return {
    columns,
    // A column that is passed through is needed as text as well.
    numbers: inputs.numbers?.some((name) => outputs.passThrough.includes(name)) === true ? undefined : inputs.numbers,
    begin,
    end: () => writer.end(),
    identifiesRows: false,
    giveUp: ({ firstRow, rows }) => {
      const { code, message } = deserializeError(giveUp);
      return Array.from({ length: rows }, (_, row) => errorLine(firstRow + row, { code, message }));
    },
  };
}

/** A line of the error file: the row (from 1) and the reason. */
function errorLine(row: number, problem: RowProblem & { readonly code?: string }): string {
  const { code = 'invalid_row', message, column } = problem;
  return `${JSON.stringify({ row: row + 1, error: { code, message, param: column ?? null } })}\n`;
}
