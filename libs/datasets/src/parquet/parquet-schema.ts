import { parquetSchema } from 'hyparquet';
import type { Datatype } from '@sconce/tensor';
import { datasetError, shown } from '../dataset-error.ts';
import type { DatasetColumn } from '../dataset-reader.ts';
import { MAX_COLUMNS } from '../limits.ts';
import type { ExactType } from '../values/exact-value.ts';
import { exactTypeOf } from './exact-types.ts';
import {
  isListLike,
  type FileMetaData,
  type ParquetType,
  type SchemaElement,
  type SchemaTree,
} from './hyparquet-parts.ts';

const MAX_DEPTH = 64;

/** A stored column of the file. It has one physical type, and levels for nulls and lists. */
export interface Leaf {
  /** Its name after the names of its groups. */
  readonly path: readonly string[];
  readonly element: SchemaElement;
  readonly type: ParquetType;
  /** From the root to the leaf. */
  readonly schemaPath: readonly SchemaTree[];
  readonly maxDefinition: number;
  readonly maxRepetition: number;
  /** Definition level from which a list has an element; 0 if there is no list. */
  readonly elementDefinition: number;
  /** Whether values are text. */
  readonly isText: boolean;
  /** The type of values if no tensor has it. */
  readonly exact: ExactType | undefined;
}

/** How the rows of a column are assembled from its leaves. */
export type ColumnShape = 'flat' | 'list' | 'nested';

/** A column of the dataset. */
export interface ParquetColumn extends DatasetColumn {
  readonly shape: ColumnShape;
  readonly tree: SchemaTree;
  /** Indexes of its leaves among the leaves of the file. */
  readonly leaves: readonly number[];
}

/** The columns of a file and their stored columns. */
export interface ParquetColumns {
  readonly columns: readonly ParquetColumn[];
  readonly leaves: readonly Leaf[];
}

/** Makes the columns of a schema. @throws SconceError `invalid_dataset` for two columns with the same name, or for too many columns. */
export function readSchema(metadata: FileMetaData): ParquetColumns {
  checkTree(metadata.schema);
  const elements = metadata.schema.map(withConvertedType);
  const root = parquetSchema({ ...metadata, schema: elements });
  const leaves: Leaf[] = [];
  const names = new Set<string>();
  const columns = root.children.map((tree): ParquetColumn => {
    const { name } = tree.element;
    if (names.has(name)) {
      throw datasetError(`The Parquet file has two columns named ${shown(name)}: give one of them another name.`);
    }
    names.add(name);
    const first = leaves.length;
    addLeaves(leaves, [root, tree]);
    const own = leaves.slice(first);
    const [leaf] = own;
    const places = own.map((_, index) => first + index);
    if (leaf === undefined || own.length > 1 || !isValues(tree)) return { name, shape: 'nested', tree, leaves: places };
    const datatype = datatypeOf(leaf);
    return {
      name,
      datatype,
      list: leaf.maxRepetition === 0 ? undefined : -1,
      ...(leaf.exact === undefined ? {} : { exact: leaf.exact }),
      ...(leaf.maxRepetition > 1 ? { nested: true } : {}),
      shape: leaf.maxRepetition === 0 ? 'flat' : leaf.maxRepetition === 1 ? 'list' : 'nested',
      tree,
      leaves: places,
    };
  });
  return { columns, leaves };
}

/** Checks depth and member counts before the tree is built, because building it is recursive. */
function checkTree(elements: readonly SchemaElement[]): void {
  if (elements.length > MAX_COLUMNS) {
    throw datasetError(`The Parquet file has ${elements.length} columns; at most ${MAX_COLUMNS} are supported.`);
  }
  const open: number[] = [];
  for (const [index, { name, num_children: members = 0, type }] of elements.entries()) {
    if (index > 0) {
      if (typeof name !== 'string') throw damaged();
      while (open.at(-1) === 0) open.pop();
      const left = open.pop();
      if (left === undefined) throw damaged();
      open.push(left - 1);
    }
    if (members > elements.length || members < 0 || (members > 0 && type !== undefined)) throw damaged();
    if (members > 0) open.push(members);
    else if (type === undefined && index > 0) throw damaged();
    if (open.length > MAX_DEPTH) {
      throw datasetError(`The Parquet file's columns are nested more than ${MAX_DEPTH} levels deep.`);
    }
  }
  if (open.some((left) => left > 0)) throw damaged();
}

function damaged(): Error {
  return datasetError('The Parquet file is damaged: its schema is not consistent. Write it again.');
}

/** Adds the older annotation, which hyparquet needs, to lists and maps that have only the newer one. */
function withConvertedType(element: SchemaElement): SchemaElement {
  const { converted_type: converted, logical_type: logical } = element;
  if (converted !== undefined || (logical?.type !== 'LIST' && logical?.type !== 'MAP')) return element;
  return { ...element, converted_type: logical.type };
}

function addLeaves(leaves: Leaf[], path: readonly SchemaTree[]): void {
  const node = path[path.length - 1];
  if (node === undefined) return;
  if (node.children.length > 0) {
    for (const child of node.children) addLeaves(leaves, [...path, child]);
    return;
  }
  const { element } = node;
  if (element.type === undefined) throw damaged();
  const below = path.slice(1).map((own) => own.element.repetition_type);
  const repeated = below.indexOf('REPEATED');
  leaves.push({
    path: node.path,
    element,
    type: element.type,
    schemaPath: path,
    maxDefinition: below.filter((own) => own !== 'REQUIRED').length,
    maxRepetition: below.filter((own) => own === 'REPEATED').length,
    elementDefinition: below.slice(0, repeated + 1).filter((own) => own !== 'REQUIRED').length,
    isText: isText(element),
    exact: isText(element) ? undefined : exactTypeOf(element),
  });
}

/** Whether a column is a value or a list of values, without a struct or map around it. */
function isValues(tree: SchemaTree): boolean {
  if (tree.children.length === 0) return true;
  const [first] = tree.children;
  if (!isListLike(tree) || first === undefined) return false;
  if (first.children.length === 0) return true;
  const [member] = first.children;
  // Lists of lists: the inner list is a separate group within the repeated group.
  return member !== undefined && isValues(member);
}

function isText({ type, converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  if (type !== 'BYTE_ARRAY') return false;
  if (logical !== undefined) return logical.type === 'STRING' || logical.type === 'JSON' || logical.type === 'ENUM';
  return converted === 'UTF8' || converted === 'JSON' || converted === 'ENUM';
}

function datatypeOf({ element, isText: text }: Leaf): Datatype | undefined {
  const { type, converted_type: converted, logical_type: logical } = element;
  switch (type) {
    case 'BOOLEAN':
      return 'BOOL';
    case 'FLOAT':
      return 'FP32';
    case 'DOUBLE':
      return 'FP64';
    case 'BYTE_ARRAY':
      return text ? 'BYTES' : undefined;
    case 'FIXED_LEN_BYTE_ARRAY':
      return logical?.type === 'FLOAT16' && element.type_length === 2 ? 'FP16' : undefined;
    case 'INT32':
    case 'INT64': {
      if (logical?.type === 'INTEGER') return INTEGERS[`${logical.isSigned ? 'INT' : 'UINT'}_${logical.bitWidth}`];
      if (converted !== undefined) return INTEGERS[converted];
      return logical === undefined ? type : undefined;
    }
    default:
      return undefined;
  }
}

const INTEGERS: Readonly<Partial<Record<string, Datatype>>> = {
  INT_8: 'INT8',
  INT_16: 'INT16',
  INT_32: 'INT32',
  INT_64: 'INT64',
  UINT_8: 'UINT8',
  UINT_16: 'UINT16',
  UINT_32: 'UINT32',
  UINT_64: 'UINT64',
};
