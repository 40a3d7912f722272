import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { parseModelConfig } from '@sconce/models';
import { casesOf, decodeSafetensors } from '@sconce/tensor';
import { nonEmptyFile } from '../files/input-file.ts';
import { failure, UsageError } from '../output/failure.ts';

/** How much an output may differ from the output of its case. */
export interface ToleranceOption {
  readonly rtol: number;
  /** Undefined: the value of the config, or else the server's default. */
  readonly atol: number | undefined;
}

const DEFAULT_ATOL = 1e-5;
/** The server accepts no larger config. */
const MAX_CONFIG_BYTES = 256 * 1024;
const MAX_CASES_BYTES = 32 * 1024 * 1024;
const CONFIG_HINT = 'docs/registration.md lists the fields of config.json.';
const TOLERANCE_HINT = 'For example --tolerance 1e-3,1e-4: RTOL from 0 to 1, ATOL from 0.';
const CASES_HINT = 'Write it with safetensors: save_file({"0.in.0": x, "0.out.0": model(x)}, "cases.safetensors").';

/** A commander parser for `RTOL[,ATOL]`. */
export function toleranceOption(text: string): ToleranceOption {
  const [rtol, atol, more] = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const fine = (value: number | undefined): boolean => value === undefined || (Number.isFinite(value) && value >= 0);
  if (rtol === undefined || rtol > 1 || !fine(rtol) || !fine(atol) || more !== undefined) {
    throw new UsageError(`--tolerance takes RTOL or RTOL,ATOL, not "${text}".`, TOLERANCE_HINT);
  }
  return { rtol, atol };
}

/** The checked config of a push, and the file that it was read from. Both absent if there is none. */
export interface PushConfig {
  readonly file?: string;
  readonly config?: ModelConfig;
}

/**
 * The config of a push: the file of --config, or else a `config.json` beside the model. --tolerance replaces its
 * tolerance.
 *
 * @throws UsageError if the file cannot be opened; SconceError `invalid_request` that says what is wrong in it.
 */
export function readPushConfig(
  model: string,
  options: { readonly name: string; readonly config?: string; readonly tolerance?: ToleranceOption },
): PushConfig {
  const beside = join(dirname(model), 'config.json');
  const file = options.config ?? (existsSync(beside) ? beside : undefined);
  const given = file === undefined ? undefined : parseConfigFile(file, options.name);
  const { tolerance } = options;
  if (tolerance === undefined) return { file, config: given };
  const atol = tolerance.atol ?? given?.tolerance?.atol ?? DEFAULT_ATOL;
  return { file, config: { ...given, tolerance: { rtol: tolerance.rtol, atol } } };
}

function parseConfigFile(file: string, name: string): ModelConfig {
  const { size } = nonEmptyFile(file, 'a config, e.g. config.json');
  if (size > MAX_CONFIG_BYTES) {
    throw failure('invalid_request', `${file} is larger than ${MAX_CONFIG_BYTES} bytes.`, { hint: CONFIG_HINT });
  }
  try {
    return parseModelConfig(JSON.parse(readFileSync(file, 'utf8')) as unknown, { name });
  } catch (error) {
    if (error instanceof SconceError)
      throw failure(error.code, `${file}: ${error.message}`, { hint: CONFIG_HINT, cause: error });
    const reason = error instanceof Error ? error.message : String(error);
    throw failure('invalid_request', `${file} is not JSON: ${reason}`, { hint: CONFIG_HINT, cause: error });
  }
}

/** Reads and checks a file of cases. @throws UsageError if it cannot be opened; SconceError if it has no calls. */
export function readCases(file: string): Uint8Array {
  const { size } = nonEmptyFile(file, 'a safetensors file of cases');
  if (size > MAX_CASES_BYTES) {
    const hint = 'A few small calls are enough: keep fewer calls, or fewer rows in each.';
    throw failure('payload_too_large', `${file} is larger than ${MAX_CASES_BYTES} bytes.`, { hint });
  }
  const bytes = readFileSync(file);
  try {
    casesOf(decodeSafetensors(bytes));
    return bytes;
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const { hint } = error.details;
    throw failure(error.code, `${file}: ${error.message}`, {
      hint: typeof hint === 'string' ? hint : CASES_HINT,
      cause: error,
    });
  }
}
