import { describe, expect, it } from 'vitest';

import type { SourceText, TorchScriptArchive } from '../archive/torchscript-archive.ts';
import { Program } from '../frontend/program.ts';
import type { PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { printGraph, type GraphOptions } from './print-graph.ts';

/** An archive of hand-written code: class `M` of `__torch__.py` is the root module. */
function archiveOf(
  files: Readonly<Record<string, string>>,
  constants: readonly PickleValue[] = [],
): TorchScriptArchive {
  const sources = Object.entries(files).map(([path, text]): [string, SourceText] => [
    path,
    { path, text, originAt: () => undefined },
  ]);
  const records = new Map([['constants/0', Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0)]]);
  return {
    source: { size: 0, read: () => Promise.reject(new Error('not read')) },
    version: 10,
    root: { kind: 'object', className: '__torch__.M', attributes: new Map() },
    constants,
    tracedInputs: new Map(),
    sources: new Map(sources),
    recordRange: () => undefined,
    readRecord: (record) => Promise.resolve(records.get(record) ?? new Uint8Array(0)),
  };
}

/** The graph of a module with these members, without the comments. */
async function graphOf(
  members: string,
  options: GraphOptions & { readonly rest?: string; readonly constants?: readonly PickleValue[] } = {},
): Promise<string> {
  const body = members
    .trim()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
  const code = `class M(Module):\n  __parameters__ = []\n${body}\n${options.rest ?? ''}`;
  const archive = archiveOf({ '__torch__.py': code }, options.constants);
  const text = await printGraph(archive, new Program(archive.sources), options);
  return text.replace(/ # code\/\S+:\d+:\d+$/gm, '').trim();
}

/** The graph of `forward(self, x: Tensor, n: int)` with these statements. */
function graphOfBody(body: string, returns = 'Tensor', rest = ''): Promise<string> {
  const lines = body.trim().replaceAll('\n', '\n  ');
  return graphOf(`def forward(self: __torch__.M, x: Tensor, n: int) -> ${returns}:\n  ${lines}`, { rest });
}

const HEAD = `graph(%self.1 : __torch__.M,
      %x.1 : Tensor,
      %n.1 : int):`;

const FUNCTIONS = `
def twice(a: Tensor, scale: Optional[float]=None) -> Tensor:
  if torch.__is__(scale, None):
    b = torch.mul(a, 2)
  else:
    b = torch.mul(a, unchecked_cast(float, scale))
  return b
`;

describe('printGraph', () => {
  it.each<[what: string, body: string, lines: string, returns?: string, rest?: string]>([
    [
      'fills in defaults and puts constants first: numbers of the code in their order, all others the last one first',
      'y = torch.sum(torch.unsqueeze(x, -1), [1, 2])\nreturn torch.clamp(y, 0.5)',
      `  %1 : NoneType = prim::Constant()
  %2 : bool = prim::Constant[value=0]()
  %3 : int = prim::Constant[value=-1]()
  %4 : int = prim::Constant[value=1]()
  %5 : int = prim::Constant[value=2]()
  %6 : float = prim::Constant[value=0.5]()
  %7 : Tensor = aten::unsqueeze(%x.1, %3)
  %8 : int[] = prim::ListConstruct(%4, %5)
  %y.1 : Tensor = aten::sum(%7, %8, %2, %1)
  %9 : Tensor = aten::clamp(%y.1, %6, %1)
  return (%9)`,
    ],
    [
      'chooses overloads by types: tensor and tensor, tensor and number, numbers',
      'm = torch.add(n, 1)\ny = torch.add(x, torch.mul(x, m), alpha=2)\nreturn torch.add(y, m)',
      `  %1 : int = prim::Constant[value=1]()
  %2 : int = prim::Constant[value=2]()
  %m.1 : int = aten::add(%n.1, %1)
  %3 : Tensor = aten::mul(%x.1, %m.1)
  %y.1 : Tensor = aten::add(%x.1, %3, %2)
  %4 : Tensor = aten::add(%y.1, %m.1, %1)
  return (%4)`,
    ],
    [
      'repeats a number where a list of a known length is wanted',
      'return torch.max_pool2d(x, 2)',
      `  %1 : bool = prim::Constant[value=0]()
  %2 : int[] = prim::Constant[value=[1, 1]]()
  %3 : int[] = prim::Constant[value=[0, 0]]()
  %4 : int[] = prim::Constant[value=annotate(List[int], [])]()
  %5 : int = prim::Constant[value=2]()
  %6 : int[] = prim::ListConstruct(%5, %5)
  %7 : Tensor = aten::max_pool2d(%x.1, %6, %4, %3, %2, %1)
  return (%7)`,
    ],
    [
      'takes several results apart without making a tuple',
      'values, indices = torch.max(x, 1)\n_0 = torch.chunk(x, 2)\na, b, = _0\nreturn torch.add(values, b)',
      `  %1 : int = prim::Constant[value=0]()
  %2 : bool = prim::Constant[value=0]()
  %3 : int = prim::Constant[value=1]()
  %4 : int = prim::Constant[value=2]()
  %values.1 : Tensor, %indices.1 : Tensor = aten::max(%x.1, %3, %2)
  %5 : Tensor[] = aten::chunk(%x.1, %4, %1)
  %a.1 : Tensor, %b.1 : Tensor = prim::ListUnpack(%5)
  %6 : Tensor = aten::add(%values.1, %b.1, %3)
  return (%6)`,
    ],
    [
      'makes tuples, lists and dicts, empty ones of the type asked for',
      'a = annotate(List[int], [])\nb = torch.append(a, n)\nreturn ({"x": x}, a, annotate(Optional[int], None))',
      `  %1 : int? = prim::Constant()
  %2 : str = prim::Constant[value="x"]()
  %a.1 : int[] = prim::ListConstruct()
  %b.1 : int[] = aten::append(%a.1, %n.1)
  %3 : Dict(str, Tensor) = prim::DictConstruct(%2, %x.1)
  %4 : (Dict(str, Tensor), int[], int?) = prim::TupleConstruct(%3, %a.1, %1)
  return (%4)`,
      'Tuple[Dict[str, Tensor], List[int], Optional[int]]',
    ],
    [
      'gives branches the names both assign, and computes what is constant',
      'if torch.gt(n, torch.mul(2, 3)):\n  y = torch.neg(x)\nelse:\n  y = x\nreturn y',
      `  %1 : int = prim::Constant[value=6]()
  %2 : bool = aten::gt(%n.1, %1)
  %y.1 : Tensor = prim::If(%2)
    block0():
      %y.2 : Tensor = aten::neg(%x.1)
      -> (%y.2)
    block1():
      -> (%x.1)
  return (%y.1)`,
    ],
    [
      'leaves out the branch that a constant excludes, even one that makes no sense',
      'if isinstance(n, int):\n  y = torch.neg(x)\nelse:\n  y = torch.neg(nowhere)\nreturn y',
      `  %y.1 : Tensor = aten::neg(%x.1)
  return (%y.1)`,
    ],
    [
      'carries through a loop what its body assigns, in the order of use',
      'a = x\nb = x\nfor i in range(n):\n  b = torch.mul(b, i)\n  a = torch.neg(b)\nreturn torch.sub(a, b)',
      `  %1 : int = prim::Constant[value=1]()
  %2 : bool = prim::Constant[value=1]()
  %a.1 : Tensor, %b.1 : Tensor = prim::Loop(%n.1, %2, %x.1, %x.1)
    block0(%i.1 : int, %a.2 : Tensor, %b.2 : Tensor):
      %b.3 : Tensor = aten::mul(%b.2, %i.1)
      %a.3 : Tensor = aten::neg(%b.3)
      -> (%2, %a.3, %b.3)
  %3 : Tensor = aten::sub(%a.1, %b.1, %1)
  return (%3)`,
    ],
    [
      'asks the condition of a while loop before it and at its end',
      'y = x\n_0 = bool(torch.any(y))\nwhile _0:\n  y = torch.neg(y)\n  _0 = bool(torch.any(y))\nreturn y',
      `  %1 : int = prim::Constant[value=9223372036854775807]()
  %2 : Tensor = aten::any(%x.1)
  %3 : bool = aten::Bool(%2)
  %y.1 : Tensor = prim::Loop(%1, %3, %x.1)
    block0(%4 : int, %y.2 : Tensor):
      %y.3 : Tensor = aten::neg(%y.2)
      %5 : Tensor = aten::any(%y.3)
      %6 : bool = aten::Bool(%5)
      -> (%6, %y.3)
  return (%y.1)`,
    ],
    [
      'calls functions with their defaults, also by another name',
      '_0 = __torch__.twice\ny = _0(x, )\nreturn y',
      `  %1 : Function = prim::Constant[name="twice"]()
  %2 : NoneType = prim::Constant()
  %y.1 : Tensor = prim::CallFunction(%1, %x.1, %2)
  return (%y.1)`,
      'Tensor',
      FUNCTIONS,
    ],
    [
      'converts tensors to numbers where nothing fits without it',
      'return torch.select(x, torch.mul(x, 2), n)',
      `  %1 : int = prim::Constant[value=2]()
  %2 : Tensor = aten::mul(%x.1, %1)
  %3 : int = aten::IntImplicit(%2)
  %4 : Tensor = aten::select(%x.1, %3, %n.1)
  return (%4)`,
    ],
    [
      'prints named tuples and enums',
      'p = __torch__.Point(x, 1)\nif torch.eq(__torch__.Mode.A, __torch__.Mode.B):\n  y = x\nelse:\n  y = p.a\nreturn (y, p)',
      `  %1 : int = prim::Constant[value=1]()
  %p.1 : NamedTuple(a : Tensor, b : int) = prim::TupleConstruct(%x.1, %1)
  %2 : (Tensor, NamedTuple(a : Tensor, b : int)) = prim::TupleConstruct(%x.1, %p.1)
  return (%2)`,
      'Tuple[Tensor, __torch__.Point]',
      'class Point(NamedTuple):\n  a : Tensor\n  b : int\nclass Mode(Enum):\n  A = 1\n  B = 2\n',
    ],
    [
      'runs forks beside: what they use from around them are their parameters',
      'y = torch.neg(x)\ndef __forked_function():\n  return torch.mul(y, n)\nf = fork(__forked_function)\nreturn torch.wait(f)',
      `  %y.1 : Tensor = aten::neg(%x.1)
  %f.1 : Future[Tensor] = prim::fork_0(%y.1, %n.1)
  %1 : Tensor = aten::wait(%f.1)
  return (%1)
with prim::fork_0 = graph(%y.1 : Tensor,
      %n.1 : int):
  %1 : Tensor = aten::mul(%y.1, %n.1)
  return (%1)`,
    ],
    [
      'prints operators nobody knows',
      'y = ops.mine.frobnicate(x, 2, mode="a")\nreturn torch.relu(y)',
      `  %1 : str = prim::Constant[value="a"]()
  %2 : int = prim::Constant[value=2]()
  %y.1 : Any = mine::frobnicate(%x.1, %2, %1)
  %3 : Any = aten::relu(%y.1)
  return (%3)`,
    ],
    [
      'keeps what has effects though nobody uses its results',
      'y = torch.clone(x)\n_0 = torch.add_(y, 1)\nunused = torch.neg(x)\nif torch.lt(n, 1):\n  ops.prim.RaiseException("no")\nelse:\n  pass\nprint(n)\nreturn y',
      `  %1 : str = prim::Constant[value="no"]()
  %2 : NoneType = prim::Constant()
  %3 : int = prim::Constant[value=1]()
  %y.1 : Tensor = aten::clone(%x.1, %2)
  %4 : Tensor = aten::add_(%y.1, %3, %3)
  %5 : bool = aten::lt(%n.1, %3)
   = prim::If(%5)
    block0():
       = prim::RaiseException(%1, %2)
      -> ()
    block1():
      -> ()
   = prim::Print(%n.1)
  return (%y.1)`,
    ],
    [
      'has operators of one meaning under one name',
      'y = torch.clip_(torch.swapaxes(x, 0, 1), n)\nreturn torch.rsub(torch.rsub(y, x), 1)',
      `  %1 : NoneType = prim::Constant()
  %2 : int = prim::Constant[value=0]()
  %3 : int = prim::Constant[value=1]()
  %4 : Tensor = aten::transpose(%x.1, %2, %3)
  %y.1 : Tensor = aten::clamp_(%4, %n.1, %1)
  %5 : Tensor = aten::sub(%x.1, %y.1, %3)
  %6 : Tensor = aten::rsub(%5, %3, %3)
  return (%6)`,
    ],
    [
      'prints casts, checks and values that are never read',
      'a = uninitialized(Optional[Tensor])\nb = unchecked_cast(Tensor, a)\nc = isinstance(a, (Tensor, int))\nif c:\n  d = b\nelse:\n  d = x\nreturn d',
      `  %a.1 : Tensor? = prim::Uninitialized()
  %b.1 : Tensor = prim::unchecked_cast(%a.1)
  %c.1 : bool = prim::isinstance[types=[Tensor, int]](%a.1)
  %d.1 : Tensor = prim::If(%c.1)
    block0():
      -> (%b.1)
    block1():
      -> (%x.1)
  return (%d.1)`,
    ],
  ])('%s', async (_, body, lines, returns, rest) => {
    expect(await graphOfBody(body, returns, rest)).toBe(`${HEAD}\n${lines}`);
  });

  it('reads and writes attributes, calls methods, and knows constants of classes', async () => {
    const members = `
fc : __torch__.Linear
total : Tensor
rate : Final[float] = 0.10000000000000001
__annotations__["0"] = Tensor
def forward(self: __torch__.M, x: Tensor) -> Tensor:
  fc = self.fc
  y = torch.mul((fc).forward(x, ), getattr(self, "0"))
  self.total = y
  return torch.mul(y, self.rate)`;
    const rest = 'class Linear(Module):\n  def forward(self: __torch__.Linear, x: Tensor) -> Tensor:\n    return x\n';
    expect(await graphOf(members, { rest })).toBe(`graph(%self.1 : __torch__.M,
      %x.1 : Tensor):
  %1 : float = prim::Constant[value=0.10000000000000001]()
  %fc.1 : __torch__.Linear = prim::GetAttr[name="fc"](%self.1)
  %2 : Tensor = prim::CallMethod[name="forward"](%fc.1, %x.1)
  %_0.1 : Tensor = prim::GetAttr[name="0"](%self.1)
  %y.1 : Tensor = aten::mul(%2, %_0.1)
   = prim::SetAttr[name="total"](%self.1, %y.1)
  %3 : Tensor = aten::mul(%y.1, %1)
  return (%3)`);
  });

  it('prints the elements of small tensors', async () => {
    const tensor = (sizes: readonly number[], elements: number): PickleTensor => ({
      ...{ kind: 'tensor', storageOffset: 0, sizes, strides: sizes.map(() => 1), requiresGrad: false },
      storage: { dtype: 'int64', record: 'constants/0', elements },
    });
    const constants = [tensor([2], 2), tensor([], 1), tensor([100], 100), 'Größe'];
    const members = `
def forward(self: __torch__.M) -> Tuple[Tensor, Tensor, Tensor, str, Tensor]:
  return (CONSTANTS.c0, CONSTANTS.c1, CONSTANTS.c2, CONSTANTS.c3, CONSTANTS.c0)`;
    expect(await graphOf(members, { constants })).toBe(`graph(%self.1 : __torch__.M):
  %1 : str = prim::Constant[value="Größe"]()
  %2 : Tensor = prim::Constant[value=<Tensor>]()
  %3 : Tensor = prim::Constant[value={3}]()
  %4 : Tensor = prim::Constant[value=  3  12 [ CPULongType{2} ]]()
  %5 : (Tensor, Tensor, Tensor, str, Tensor) = prim::TupleConstruct(%4, %3, %2, %1, %4)
  return (%5)`);
  });

  it('says behind # where a node comes from', async () => {
    const text =
      'class M(Module):\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n    return torch.neg(torch.abs(x))\n';
    const at = (line: string): string | undefined => line.split(' # ')[1];
    const plain = archiveOf({ '__torch__.py': text });
    const lines = (await printGraph(plain, new Program(plain.sources))).split('\n').map(at);
    expect(lines).toContain('code/__torch__.py:3:21');
    const origins = archiveOf({ '__torch__.py': text });
    const sources = new Map([
      [
        '__torch__.py',
        { path: '__torch__.py', text, originAt: () => ({ file: 'net.py', line: 7, column: 3, stack: [] }) },
      ],
    ]);
    const recorded = await printGraph({ ...origins, sources }, new Program(sources));
    expect(recorded).toContain('aten::abs(%x.1) # net.py:7:3\n');
  });

  it('puts the graphs of what is called in the place of the calls', async () => {
    const members = `
def forward(self: __torch__.M, x: Tensor) -> Tensor:
  y = (self).double(x, )
  return __torch__.twice(y, 0.5, )
def double(self: __torch__.M, x: Tensor) -> Tensor:
  return __torch__.twice(x, )`;
    expect(await graphOf(members, { rest: FUNCTIONS, inlined: true })).toBe(`graph(%self.1 : __torch__.M,
      %x.1 : Tensor):
  %1 : Function = prim::Constant[name="twice"]()
  %2 : float = prim::Constant[value=0.5]()
  %3 : int = prim::Constant[value=2]()
  %b.1 : Tensor = aten::mul(%x.1, %3)
  %4 : int = prim::Constant[value=2]()
  %5 : NoneType = prim::Constant()
  %6 : bool = aten::__is__(%2, %5)
  %b.2 : Tensor = prim::If(%6)
    block0():
      %b.3 : Tensor = aten::mul(%b.1, %4)
      -> (%b.3)
    block1():
      %7 : float = prim::unchecked_cast(%2)
      %b.4 : Tensor = aten::mul(%b.1, %7)
      -> (%b.4)
  return (%b.2)`);
  });

  it('simplifies what it puts in the place of calls', async () => {
    const members = `
def forward(self: __torch__.M, x: Tensor, n: int) -> Tensor:
  return __torch__.work(x, n, )`;
    const rest = `
def work(x: Tensor, n: int) -> Tensor:
  sizes = [n, 3]
  a = torch.mul(torch.len(sizes), torch.mul(n, 1))
  b = torch.sub(torch.add(a, 2), 1)
  if torch.__isnot__(x, None):
    y = torch.cat([torch.cat([x, x], 1), x], 1)
  else:
    y = x
  if torch.eq(b, b):
    z = torch.mul(torch.add(y, 0), (sizes)[1])
  else:
    z = y
  m, k, = sizes
  c = int(ops.prim.NumToTensor(torch.add(k, m)))
  more = torch.add(sizes, [c])
  if torch.gt(c, 1):
    d = True
  else:
    d = False
  return torch.mean(torch.view(z, more), None, d)
`;
    expect(await graphOf(members, { rest, inlined: true })).toBe(`graph(%self.1 : __torch__.M,
      %x.1 : Tensor,
      %n.1 : int):
  %1 : Function = prim::Constant[name="work"]()
  %2 : int = prim::Constant[value=1]()
  %3 : int = prim::Constant[value=3]()
  %4 : NoneType = prim::Constant()
  %5 : Tensor[] = prim::ListConstruct(%x.1, %x.1, %x.1)
  %y.1 : Tensor = aten::cat(%5, %2)
  %z.1 : Tensor = aten::mul(%y.1, %3)
  %6 : int = aten::add(%n.1, %3)
  %7 : int[] = prim::ListConstruct(%n.1, %3, %6)
  %8 : bool = aten::gt(%6, %2)
  %9 : Tensor = aten::view(%z.1, %7)
  %10 : Tensor = aten::mean(%9, %4, %8, %4)
  return (%10)`);
  });

  it('prints other methods, and names those there are', async () => {
    const members = 'def other(self: __torch__.M) -> int:\n  return 1';
    expect(await graphOf(members, { method: 'other' })).toContain('return (%1)');
    await expect(graphOf(members)).rejects.toThrow('__torch__.M has no method forward; it has other');
  });
});

describe('what is not printed', () => {
  it.each<[what: string, body: string, message: RegExp]>([
    ['a name that is not defined', 'return y', /name y is not defined at code\/__torch__\.py:4:11/],
    [
      'a constant that does not exist',
      'return CONSTANTS.c3',
      /CONSTANTS\.c3 does not exist at code\/__torch__\.py:4:11/,
    ],
    ['a return within a block', 'if n:\n  return x\nelse:\n  pass\nreturn x', /a return within a block/],
    ['more names than items', 'a, b, = (x, x, x)\nreturn a', /3 items for 2 names/],
    [
      'a type that a few lines make too large',
      [
        ...Array.from({ length: 40 }, (_, i) => `x${i + 1} = (${i === 0 ? 'x' : `x${i}`}, ${i === 0 ? 'x' : `x${i}`})`),
        'return x',
      ].join('\n'),
      /a value has a type of \d+ parts/,
    ],
  ])('%s', async (_, body, message) => {
    await expect(graphOfBody(body)).rejects.toThrow(message);
  });

  it('a function that calls itself, inlined', async () => {
    const members = 'def forward(self: __torch__.M, x: Tensor) -> Tensor:\n  return (self).forward(x, )';
    await expect(graphOf(members, { inlined: true })).rejects.toThrow('forward calls itself: it cannot be inlined');
    expect(await graphOf(members)).toContain('prim::CallMethod[name="forward"]');
  });

  it('an inlined graph that grows without end', async () => {
    const functions = Array.from(
      { length: 40 },
      (_, i) => `def f${i}(x: Tensor) -> Tensor:\n  return __torch__.f${i + 1}(__torch__.f${i + 1}(x, ), )\n`,
    );
    const rest = `${functions.join('')}def f40(x: Tensor) -> Tensor:\n  return torch.neg(x)\n`;
    const members = 'def forward(self: __torch__.M, x: Tensor) -> Tensor:\n  return __torch__.f0(x, )';
    await expect(graphOf(members, { rest, inlined: true })).rejects.toThrow(/more than \d+ nodes/);
  });
});
