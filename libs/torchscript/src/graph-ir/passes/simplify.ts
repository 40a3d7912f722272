import { printConstant, typeOfConstant, type Constant } from '../constant.ts';
import {
  createNode,
  replaceValue,
  resolve,
  writeReplacements,
  type Block,
  type Graph,
  type Node,
  type Value,
} from '../graph.ts';
import { ANY, BOOL, INT, isSubtype, NONE, sameType, TENSOR, unifyTypes, type IrType } from '../ir-type.ts';
import { combineConcats } from './combine-concats.ts';
import { eliminateDeadCode } from './dead-code.ts';
import { simplifyLists } from './simplify-lists.ts';

/**
 * Replaces needless operations: `x is None` if the type decides it, casts to the type that a value has, arithmetic with 0 and 1,
 * items of a list that was just made. PyTorch simplifies a graph in this way before it inlines it.
 */
export function simplify(graph: Graph): void {
  writeReplacements(graph.block);
  const changes = [simplifyTensors, simplifyLists, dropTensorNoops, simplifyValues, combineConcats].map((run) => {
    const changed = run(graph.block);
    writeReplacements(graph.block);
    return changed;
  });
  if (changes.includes(true)) eliminateDeadCode(graph);
}

/** The replacement of a node: values for its results, and nodes to add before it. */
interface Replacement {
  readonly values: readonly (Value | undefined)[];
  readonly before?: readonly Node[];
}

/** Applies a rule to every node, inner blocks first. */
function rewrite(block: Block, rule: (node: Node) => Replacement | undefined): boolean {
  let changed = false;
  const nodes: Node[] = [];
  for (const node of block.nodes) {
    node.inputs = node.inputs.map(resolve);
    for (const inner of node.blocks) changed = rewrite(inner, rule) || changed;
    const replacement = rule(node);
    nodes.push(...(replacement?.before ?? []), node);
    replacement?.values.forEach((value, i) => {
      const output = node.outputs[i];
      if (output === undefined || value === undefined) return;
      replaceValue(output, value);
      changed = true;
    });
  }
  block.nodes = nodes;
  block.outputs = block.outputs.map(resolve);
  return changed;
}

function byConstant(constant: Constant, type = typeOfConstant(constant)): Replacement {
  const node = createNode('prim::Constant', { constant, attributes: printConstant(constant), types: [type] });
  return { values: node.outputs, before: [node] };
}

const NUMBER_OF_TENSOR: ReadonlySet<string> = new Set([
  'aten::Float',
  'aten::Int',
  'aten::FloatImplicit',
  'aten::IntImplicit',
  'aten::ScalarImplicit',
]);

/** Ranks of the results of convolutions. */
const CONVOLUTION_RANKS: Readonly<Record<string, bigint>> = {
  'aten::conv1d': 3n,
  'aten::conv2d': 4n,
  'aten::conv3d': 5n,
};

/** Replaces a number that was read from a tensor of a known number, and the rank of a convolution's result. */
function simplifyTensors(block: Block): boolean {
  return rewrite(block, ({ kind, inputs }) => {
    const made = inputs[0]?.node;
    if (NUMBER_OF_TENSOR.has(kind) && made?.kind === 'prim::NumToTensor') return { values: [made.inputs[0]] };
    const rank = kind === 'aten::dim' ? CONVOLUTION_RANKS[made?.kind ?? ''] : undefined;
    return rank === undefined ? undefined : byConstant(rank);
  });
}

/** Drops `x + 0` and `x * 1` with integers, if neither x nor the result is changed in place or returned. */
function dropTensorNoops(block: Block): boolean {
  const kept = new Set(block.outputs);
  collectWritten(block, kept);
  return rewrite(block, ({ kind, inputs, outputs }) => {
    const [tensor, number, alpha] = inputs;
    const [output] = outputs;
    if (tensor === undefined || output === undefined || !sameType(tensor.type, TENSOR)) return undefined;
    const isSum = (kind === 'aten::add' || kind === 'aten::sub') && alpha?.node?.constant === 1n;
    const neutral = isSum ? 0n : kind === 'aten::mul' ? 1n : undefined;
    if (neutral === undefined || number?.node?.constant !== neutral || kept.has(tensor) || kept.has(output))
      return undefined;
    return { values: [tensor] };
  });
}

function collectWritten(block: Block, written: Set<Value>): void {
  for (const { kind, sideEffect, inputs, blocks } of block.nodes) {
    if (sideEffect && kind.endsWith('_')) for (const input of inputs.slice(0, 1)) written.add(input);
    for (const inner of blocks) collectWritten(inner, written);
  }
}

function simplifyValues(block: Block): boolean {
  let refined = false;
  const changed = rewrite(block, (node) => {
    const { kind, inputs, outputs } = node;
    const [a, b] = inputs;
    if (kind === 'prim::If') {
      refined = refineResults(node) || refined;
      return { values: outputs.map((output, i) => (isCondition(node, output, i) ? a : undefined)) };
    }
    if (outputs.length === 1 && kind !== 'prim::Constant' && outputs.some(({ type }) => sameType(type, NONE))) {
      return byConstant(null);
    }
    if (a === undefined) return undefined;
    if (b !== undefined && inputs.length === 2) return simplifyBinary(node, a, b);
    return inputs.length === 1 && isNeedless(kind, a.type, outputs[0]?.type ?? ANY) ? { values: [a] } : undefined;
  });
  return changed || refined;
}

/** Whether a cast converts to the type that the value has already. */
function isNeedless(kind: string, from: IrType, to: IrType): boolean {
  if (kind === 'prim::unchecked_cast') return isSubtype(from, to);
  if (kind === 'prim::unchecked_unwrap_optional' || kind === 'aten::_unwrap_optional') return !mayBeNone(from);
  return (kind === 'aten::Int' || kind === 'aten::ceil') && sameType(from, INT);
}

/** Whether a result is `True if c else False`, which equals c. */
function isCondition({ blocks }: Node, output: Value, i: number): boolean {
  const [yes, no] = blocks.map((block) => resolve(block.outputs[i] as Value).node?.constant);
  return sameType(output.type, BOOL) && yes === true && no === false;
}

/** Makes the type of a result not optional if it is None on no path. */
function refineResults(node: Node): boolean {
  let refined = false;
  node.outputs.forEach((output, i) => {
    const [yes, no] = node.blocks.map((block) => resolve(block.outputs[i] as Value).type);
    if (output.type.kind !== 'optional' || yes === undefined || no === undefined) return;
    if (yes.kind === 'optional' || no.kind === 'optional') return;
    output.type = unifyTypes(yes, no);
    refined = true;
  });
  return refined;
}

function simplifyBinary(node: Node, a: Value, b: Value): Replacement | undefined {
  const { kind } = node;
  switch (kind) {
    case 'aten::__is__':
    case 'aten::__isnot__': {
      const decided = (isNone(a) && !mayBeNone(b.type)) || (isNone(b) && !mayBeNone(a.type));
      return decided ? byConstant(kind === 'aten::__isnot__') : undefined;
    }
    case 'aten::eq':
    case 'aten::ne':
      return a === b && isComparable(a.type) ? byConstant(kind === 'aten::eq') : undefined;
    case 'aten::mul':
    case 'aten::floordiv':
    case 'aten::div':
      return simplifyFactor(node, a, b);
    case 'aten::add':
    case 'aten::sub':
      return simplifyTerm(node, a, b);
    default:
      return undefined;
  }
}

/** The operands of integer arithmetic with one known operand. The known one is second, if the operands may be swapped. */
function integerOperands(node: Node, a: Value, b: Value): readonly [Value, bigint] | undefined {
  if (!sameType(a.type, INT) || !sameType(b.type, INT)) return undefined;
  const first = a.node?.constant;
  const second = b.node?.constant;
  if ((node.kind === 'aten::mul' || node.kind === 'aten::add') && typeof first === 'bigint') {
    node.inputs = [b, a];
    return [b, first];
  }
  return typeof second === 'bigint' ? [a, second] : undefined;
}

function simplifyFactor(node: Node, a: Value, b: Value): Replacement | undefined {
  const [value, factor] = integerOperands(node, a, b) ?? [];
  return factor === 1n ? { values: [value] } : undefined;
}

/** Simplifies sums and differences. `n + 2 - 1` becomes `n + 1`. */
function simplifyTerm(node: Node, a: Value, b: Value): Replacement | undefined {
  const [value, term] = integerOperands(node, a, b) ?? [];
  if (value === undefined || term === undefined) return undefined;
  if (term === 0n) return { values: [value] };
  const inner = value.node;
  const [x, y] = inner?.inputs ?? [];
  if (inner === undefined || x === undefined || y === undefined || inner.inputs.length !== 2) return undefined;
  if (inner.kind !== 'aten::add' && inner.kind !== 'aten::sub') return undefined;
  const [innerValue, innerTerm] = integerOperands(inner, x, y) ?? [];
  if (innerValue === undefined || innerTerm === undefined) return undefined;
  const merged = inner.kind === node.kind ? term + innerTerm : term - innerTerm;
  if (merged === 0n) return { values: [innerValue] };
  const { before = [] } = byConstant(merged);
  node.inputs = [innerValue, before[0]?.outputs[0] ?? b];
  return { values: [], before };
}

function isNone({ type, node }: Value): boolean {
  return sameType(type, NONE) || node?.constant === null;
}

function mayBeNone(type: IrType): boolean {
  return isSubtype(NONE, type);
}

function isComparable(type: IrType): boolean {
  const of = type.kind === 'list' ? type.of : type;
  return of.kind === 'simple' && ['bool', 'int', 'float', 'NoneType'].includes(of.name);
}
