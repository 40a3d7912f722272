import { SconceError } from '@sconce/errors';
import type { RunPiece } from './dataset-protocol.ts';

/** Throws if the pieces do not cover exactly `rows` rows. */
export function checkPieces(pieces: readonly RunPiece[], rows: number): void {
  const covered = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  if (covered !== rows) throw new SconceError('internal', `A run of ${rows} rows was answered with ${covered} rows`);
}
