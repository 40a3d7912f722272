import { describe, expect, it } from 'vitest';
import { checkGraph, pruneGraph, type OnnxGraph, type OnnxNode } from '@sconce/onnx';

import { programOfCode } from '../../fixtures/code/program-of-code.ts';
import { callOperator, type OperatorTable } from '../lowering/call-operator.ts';
import { opFamily } from '../lowering/define-op.ts';
import { operatorTable } from '../lowering/registry.ts';
import { bindInputs, type ArgumentPlan } from '../signature/plan-inputs.ts';
import { flattenOutputs } from '../signature/flatten-outputs.ts';
import { Emitter } from '../symbolic/emitter.ts';
import { Interpreter } from './interpreter.ts';
import { ObjectGraph } from './object-graph.ts';
import { UnsupportedReport } from '../symbolic/unsupported-report.ts';
import { addDims, isLess, SymInt, type Dim } from '../symbolic/sym-int.ts';
import { ListValue, ObjectValue, SymBool, SymFloat, type TensorValue, type Value } from '../symbolic/values.ts';

/** A few operators, so that these tests are about the interpreter and not about lowerings. */
function toyOperators(): OperatorTable {
  const { ops, defineOp, defineScalarOp } = opFamily('toy');
  defineOp('aten::neg(Tensor self) -> Tensor', (context, { self }) => context.node('Neg', [self]));
  defineOp('aten::add.Tensor(Tensor self, Tensor other) -> Tensor', (context, { self, other }) =>
    context.node('Add', [self, other]),
  );
  defineOp('aten::add.Scalar(Tensor self, Scalar other) -> Tensor', (context, { self, other }) =>
    context.node('Add', [self, context.scalar(other, self.dtype)]),
  );
  defineScalarOp('aten::add.int(int a, int b) -> int', (_, { a, b }) => {
    const dim = (value: Value | undefined): Dim => (value instanceof SymInt ? value : Number(value));
    const sum = addDims(dim(a), dim(b));
    return sum instanceof SymInt ? sum : BigInt(sum);
  });
  defineScalarOp('aten::lt.int(int a, int b) -> bool', (_, { a, b }) => {
    const [x, y] = [a, b].map((value) => (value instanceof SymInt ? value : Number(value))) as [Dim, Dim];
    return isLess(x, y) ?? new SymBool({ kind: 'compare', op: 'lt', a: x, b: y });
  });
  defineScalarOp('aten::eq.int(int a, int b) -> bool', (_, { a, b }) => {
    const [x, y] = [a, b].map((value) => (value instanceof SymInt ? value : Number(value))) as [Dim, Dim];
    return x === y ? true : new SymBool({ kind: 'compare', op: 'eq', a: x, b: y });
  });
  defineOp('aten::positive(Tensor self) -> bool', (context, { self }) =>
    context.item(
      context.node('Greater', [context.reshape(self, []), context.scalar(0, self.dtype)], { dtype: 'bool', shape: [] }),
    ),
  );
  defineScalarOp('aten::size.int(Tensor self, int dim) -> int', (_, { self, dim }) => {
    const size = (self as TensorValue).shape[Number(dim)] ?? 0;
    return size instanceof SymInt ? size : BigInt(size);
  });
  defineScalarOp('aten::append.t(t[](a!) self, t el) -> t[](a!)', (context, { self, el }) => {
    if (self instanceof ListValue) context.heap.append(self, el ?? null);
    return self;
  });
  defineOp('aten::select.int(Tensor self, int dim, SymInt index) -> Tensor', (context, { self, dim, index }) =>
    context.view(
      self,
      (base) => {
        const [, ...rest] = base.shape;
        if (dim !== 0) return context.unsupported('dim');
        return context.reshape(context.slice(base, 0, index, addDims(index, 1), 1, 1), rest);
      },
      (base, updated) => {
        const [size = 0, ...rest] = base.shape;
        const before = context.slice(base, 0, 0, index);
        const after = context.slice(base, 0, addDims(index, 1), size);
        const parts = [before, context.reshape(updated, [1, ...rest]), after];
        return context.node('Concat', parts, { shape: base.shape, attributes: { axis: { int: 0 } } });
      },
    ),
  );
  return operatorTable([ops]);
}

interface Run {
  readonly graph: OnnxGraph;
  readonly emitter: Emitter;
  readonly report: UnsupportedReport;
  readonly result: Value;
}

/** Executes `forward` of a class M whose body is `body`. */
function run(body: string, plan: readonly ArgumentPlan[], attributes: Readonly<Record<string, Value>> = {}): Run {
  const indented = body
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
  const params = plan.map(({ name }) => `, ${name}`).join('');
  const code = `class M(Module):\n  def forward(self: __torch__.M${params}) -> Tensor:\n${indented}\n`;
  const program = programOfCode({ '__torch__.py': code });
  const emitter = new Emitter();
  const report = new UnsupportedReport();
  const objects = new ObjectGraph(program, [], new Map());
  const tools = { table: toyOperators(), context: emitter, report };
  const interpreter = new Interpreter({
    program,
    emitter,
    callOperator: (call) => callOperator(tools, call),
    objects,
    report,
  });
  const self = new ObjectValue('__torch__.M', new Map(Object.entries(attributes)), '');
  const result = interpreter.callMethod(self, 'forward', { args: bindInputs(plan, emitter), kwargs: new Map() });
  for (const { tensor } of flattenOutputs(result, emitter).outputs) {
    emitter.root.output({ name: emitter.name(tensor), datatype: 'FLOAT', shape: tensor.shape.map(() => null) });
  }
  const graph = pruneGraph(emitter.root.build('test'));
  return { graph, emitter, report, result };
}

const vector: ArgumentPlan = { kind: 'tensor', name: 'x', dtype: 'float32', shape: [null] };
const one: ArgumentPlan = { kind: 'tensor', name: 'x', dtype: 'float32', shape: [1] };
const count: ArgumentPlan = { kind: 'number', name: 'n', type: 'int' };
const opsOf = (graph: OnnxGraph): string[] => graph.nodes.map(({ opType }) => opType);
function bodyOf(graph: OnnxGraph, opType: string, attribute: string): OnnxGraph {
  const node = graph.nodes.find((candidate) => candidate.opType === opType) as OnnxNode;
  const value = node.attributes[attribute];
  if (value === undefined || !('graph' in value)) throw new Error(`${opType} has no ${attribute}`);
  return value.graph;
}

describe('known values', () => {
  it('unroll loops and choose branches at compile time', () => {
    const { graph } = run(
      `i = 0
y = x
go = True
while go:
  if torch.lt(i, 1):
    y1 = torch.neg(y)
  else:
    y1 = torch.add(y, 2.)
  i = torch.add(i, 1)
  y = y1
  go = torch.lt(i, 3)
return y`,
      [vector],
    );
    expect(opsOf(graph)).toEqual(['Neg', 'Add', 'Add']);
  });

  it('stay plain numbers', () => {
    const { result, graph } = run('return torch.add(torch.add(2, 3), 4)', [vector]);
    expect(result).toBe(9n);
    expect(graph.nodes).toEqual([]);
  });

  it('raise the exception that the code raises for these inputs', () => {
    expect(() => run('ops.prim.RaiseException("no such thing")\nreturn x', [vector])).toThrow('no such thing');
  });
});

describe('a branch on data', () => {
  const code = `if torch.positive(x):
  y = torch.neg(x)
else:
  y = torch.add(x, 1.)
return y`;

  it('becomes an If with both branches', () => {
    const { graph } = run(code, [one]);
    expect(opsOf(graph)).toContain('If');
    expect(opsOf(bodyOf(graph, 'If', 'then_branch'))).toContain('Neg');
    expect(opsOf(bodyOf(graph, 'If', 'else_branch'))).toContain('Add');
    checkGraph(graph);
  });

  it('outputs a tensor that one branch changes in place', () => {
    const { graph } = run(
      `y = torch.neg(x)
if torch.positive(x):
  _0 = torch.add_(y, 1.)
else:
  pass
return torch.neg(y)`,
      [one],
    );
    const node = graph.nodes.find(({ opType }) => opType === 'If');
    expect(node?.outputs).toHaveLength(1);
    // The result is computed from the If's output, not from the old y.
    expect(graph.nodes.at(-1)?.inputs).toEqual(node?.outputs);
    checkGraph(graph);
  });

  it('keeps values that neither branch changes out of the If', () => {
    const { graph } = run(
      `z = torch.neg(x)
if torch.positive(x):
  y = z
else:
  y = z
return torch.add(y, z)`,
      [one],
    );
    expect(opsOf(graph)).not.toContain('If');
  });

  it('turns numbers that differ into a number of the run', () => {
    const { result } = run(
      `if torch.positive(x):
  k = 1
else:
  k = 5
return k`,
      [one],
    );
    expect(result).toBeInstanceOf(SymInt);
  });

  it('reports branches of different rank', () => {
    const { report } = run(
      `if torch.positive(x):
  y = torch.select(x, 0, 0)
else:
  y = x
return y`,
      [one],
    );
    expect(report.summary()).toMatchObject([{ op: 'prim::If', count: 1 }]);
    expect(report.summary()[0]?.reason).toContain('rank 0 or of rank 1');
  });
});

describe('a guard', () => {
  it('that requires a size makes it part of the signature', () => {
    const { emitter, graph } = run(
      `if torch.eq(torch.size(x, 0), 4):
  pass
else:
  ops.prim.RaiseException("four, please")
return torch.neg(x)`,
      [vector],
    );
    expect(emitter.learnedSizes.get('x')?.get(0)).toBe(4);
    expect(opsOf(graph)).toEqual(['Neg']);
    expect([...emitter.warnings]).toEqual([]);
  });

  it('on data is left out, with a warning that names it', () => {
    const { emitter, graph } = run(
      `if torch.positive(x):
  ops.prim.RaiseException("too large")
else:
  pass
return torch.neg(x)`,
      [one],
    );
    expect(opsOf(graph)).toEqual(['Neg']);
    expect([...emitter.warnings].join()).toMatch(/too large.*__torch__.py:4/);
  });
});

describe('a loop on data', () => {
  it('becomes a Loop that carries what changes', () => {
    const { graph } = run(
      `y = x
z = torch.neg(x)
for i in range(n):
  y = torch.add(y, z)
return y`,
      [vector, count],
    );
    const loop = graph.nodes.find(({ opType }) => opType === 'Loop');
    // The inputs are the number of rounds, an empty condition and y. The body sees z from outside.
    expect(loop?.inputs).toHaveLength(3);
    expect(loop?.outputs).toHaveLength(1);
    checkGraph(graph);
  });

  it('carries numbers that change', () => {
    const { graph, result } = run(
      `k = 1
for i in range(n):
  k = torch.add(k, i)
return (torch.add(x, 1.), k)`,
      [vector, count],
    );
    expect(opsOf(graph)).toContain('Loop');
    expect(result).toMatchObject({ kind: 'tuple' });
    checkGraph(graph);
  });

  it('collects a list that only grows', () => {
    const { graph } = run(
      `parts = annotate(List[Tensor], [])
for i in range(torch.size(x, 0)):
  _0 = torch.append(parts, torch.neg(torch.select(x, 0, i)))
return parts`,
      [vector],
    );
    expect(graph.nodes.find(({ opType }) => opType === 'Loop')?.outputs).toHaveLength(1);
    checkGraph(graph);
  });

  it('carries tensors that are changed in place through a view', () => {
    const { graph } = run(
      `y = torch.neg(x)
for i in range(n):
  _0 = torch.add_(torch.select(y, 0, i), 1.)
return torch.neg(y)`,
      [vector, count],
    );
    const loop = graph.nodes.find(({ opType }) => opType === 'Loop');
    expect(graph.nodes.at(-1)?.inputs).toEqual(loop?.outputs);
    expect(opsOf(bodyOf(graph, 'Loop', 'body'))).toContain('Concat');
    checkGraph(graph);
  });
});

describe('views and in-place operations', () => {
  it('writes through a view into its base and on to other views', () => {
    const { graph } = run(
      `a = torch.select(x, 0, 0)
b = torch.select(x, 0, 0)
_0 = torch.add_(a, 1.)
return torch.neg(b)`,
      [vector],
    );
    // b is read again from x after the write to x.
    expect(opsOf(graph)).toContain('Concat');
    checkGraph(graph);
  });
});

describe('an unsupported operator', () => {
  it('is reported together with all others, with places and counts', () => {
    const { report } = run(
      `a = torch.stft(x)
b = torch.stft(torch.neg(a))
c = ops.quantized.linear(x)
return torch.add(b, c)`,
      [vector],
    );
    expect(report.summary()).toMatchObject([
      { op: 'aten::stft', count: 1, places: [expect.stringContaining('code/__torch__.py:3:')] },
      { op: 'quantized::linear', count: 1 },
    ]);
    expect(() => {
      report.throwIfAny();
    }).toThrow(/aten::stft, quantized::linear/);
  });

  it('is reported with its overloads if the arguments fit none', () => {
    const { report } = run('return torch.neg("text")', [vector]);
    expect(report.summary()[0]?.reason).toContain('aten::neg(Tensor self) -> Tensor');
  });
});

it('a float of the run is not an int', () => {
  const emitter = new Emitter();
  const report = new UnsupportedReport();
  const at = { source: { path: 'x.py', text: '', originAt: () => undefined }, offset: 0 };
  const tools = { table: toyOperators(), context: emitter, report };
  callOperator(tools, { name: 'aten::add', args: [new SymFloat('v', 0), 1n], kwargs: new Map(), at });
  expect(report.summary()[0]?.reason).toContain('(float, int)');
});
