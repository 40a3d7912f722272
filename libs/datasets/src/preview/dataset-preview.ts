import type { DatasetFormat } from '../dataset-format.ts';
import type { InputSource } from '../mapping/input-mapping.ts';
import type { OutputSelection } from '../output/output-mapping.ts';
import type { CsvOptions } from '../csv/csv-reader.ts';

/** How a table would be read, as in the request of a batch. */
export interface PreviewedTable {
  readonly format: DatasetFormat;
  readonly outputFormat: DatasetFormat;
  readonly csv: CsvOptions;
  /** Default: UTF-8, or UTF-16 if the text begins with its mark. */
  readonly encoding?: string | undefined;
  readonly inputs?: Readonly<Record<string, InputSource>> | undefined;
  readonly outputs?: readonly OutputSelection[] | undefined;
  readonly passThrough?: readonly string[] | undefined;
  readonly allowNonFinite: boolean;
  /** What stands for missing values; `error` if they make bad rows. */
  readonly missing?: number | string | undefined;
}

/** What to change: the option of the command line, and the field of the request. */
export interface Fix {
  readonly flag: string;
  readonly field: Readonly<Record<string, unknown>>;
}

/** Why a batch of the dataset would fail, or what is likely to be meant otherwise. */
export interface PreviewProblem {
  readonly code: string;
  readonly message: string;
  /** The field of the request. */
  readonly param: string | null;
  readonly fix?: Fix;
}

/** A column of the file. */
export interface PreviewedColumn {
  readonly name: string;
  /** The type of the file, or of its first values if the format has no types. */
  readonly type: string;
  /** The inputs that take its values. */
  readonly inputs: readonly string[];
  /** Whether it is copied into the results. */
  readonly kept: boolean;
}

/** An input of the model. */
export interface PreviewedInput {
  readonly name: string;
  /** Datatype and shape, such as `FP32[-1,4]`. */
  readonly type: string;
  /** Its first columns, at most 100; null if it has none, or one value for all rows. */
  readonly columns: readonly string[] | null;
  /** Number of its columns. */
  readonly width: number;
  /** The one value of all rows, if the request gives it. */
  readonly value?: unknown;
  readonly problem?: PreviewProblem;
}

/** A row of the sample. */
export interface PreviewedRow {
  /** From 1. */
  readonly row: number;
  /** The values of the columns, as text or JSON. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The row of the results, unless the row fails or nothing was scored. */
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: string; readonly message: string; readonly param: string | null };
}

/** What a batch of a dataset would do. */
export interface DatasetPreview {
  /** Whether the batch would begin, and not every one of its first rows fails. */
  readonly ok: boolean;
  readonly dataset: {
    /** As the file lies there. */
    readonly bytes: number;
    readonly format: DatasetFormat;
    readonly compression: string | null;
    /** Of a text. */
    readonly encoding: string | null;
    readonly delimiter: string | null;
    readonly header: boolean | null;
    /** Number of rows; null if the file cannot be read. */
    readonly rows: number | null;
    /** Whether `rows` is exact. Otherwise it follows from the size of the first rows. */
    readonly exact: boolean;
  };
  /** The first columns, at most `MAX_SHOWN_COLUMNS`. */
  readonly columns: readonly PreviewedColumn[];
  /** Number of all columns. */
  readonly width: number;
  readonly inputs: readonly PreviewedInput[];
  /** Columns of the results. */
  readonly outputs: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly PreviewedRow[];
  /** The first rows, all of which were tried: how many, and how many of them failed. */
  readonly sample: { readonly rows: number; readonly failed: number };
  /** Why the batch would fail before its first row. */
  readonly errors: readonly PreviewProblem[];
  /** What is likely to be meant otherwise. */
  readonly warnings: readonly PreviewProblem[];
  /** How long the runs of all rows take at the pace of the sample; null if that is not known. It says nothing of upload and queue. */
  readonly estimate: { readonly seconds: number } | null;
}
