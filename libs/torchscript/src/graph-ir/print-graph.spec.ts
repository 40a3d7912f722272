import { describe, expect, it } from 'vitest';

import { archiveOf, FUNCTIONS, graphOf, graphOfBody, HEAD } from '../../fixtures/code/graph-of-code.ts';
import { Program } from '../frontend/program.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import { printGraph } from './print-graph.ts';

describe('printGraph', () => {
  it.each<[what: string, body: string, lines: string, returns?: string, rest?: string]>([
    [
      'fills in defaults and puts constants first: numbers of the code in order, all others in reverse order',
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
      'repeats a number if a parameter is a list of known length',
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
      'unpacks several results without a tuple',
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
      'makes tuples, lists and dicts, and takes the type of empty ones from their place',
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
      'returns from branches the variables that both assign, and computes constants',
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
      'leaves out the branch that a constant excludes, even if it is invalid',
      'if isinstance(n, int):\n  y = torch.neg(x)\nelse:\n  y = torch.neg(nowhere)\nreturn y',
      `  %y.1 : Tensor = aten::neg(%x.1)
  return (%y.1)`,
    ],
    [
      'carries the variables that a loop body assigns, in the order of use',
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
      'evaluates the condition of a while loop before the loop and at the end of its body',
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
      'converts tensors to numbers if no overload fits without a conversion',
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
      'prints forks as their own graphs: outer values that they use are their parameters',
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
      'prints unknown operators',
      'y = ops.mine.frobnicate(x, 2, mode="a")\nreturn torch.relu(y)',
      `  %1 : str = prim::Constant[value="a"]()
  %2 : int = prim::Constant[value=2]()
  %y.1 : Any = mine::frobnicate(%x.1, %2, %1)
  %3 : Any = aten::relu(%y.1)
  return (%3)`,
    ],
    [
      'keeps nodes with side effects even if their results are not used',
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
      'uses one name for operators of the same meaning',
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

  it('reads and writes attributes, calls methods, and reads constants of classes', async () => {
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

  it('names the place of each node after a #', async () => {
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

  it('prints other methods, and lists the methods if one is missing', async () => {
    const members = 'def other(self: __torch__.M) -> int:\n  return 1';
    expect(await graphOf(members, { method: 'other' })).toContain('return (%1)');
    await expect(graphOf(members)).rejects.toThrow('__torch__.M has no method forward; it has other');
  });
});

describe('an error', () => {
  it.each<[what: string, body: string, message: RegExp]>([
    ['a name that is not defined', 'return y', /name y is not defined at code\/__torch__\.py:4:11/],
    [
      'a constant that does not exist',
      'return CONSTANTS.c3',
      /CONSTANTS\.c3 does not exist at code\/__torch__\.py:4:11/,
    ],
    ['a return inside a block', 'if n:\n  return x\nelse:\n  pass\nreturn x', /a return inside a block/],
    ['more names than items', 'a, b, = (x, x, x)\nreturn a', /3 items for 2 names/],
    [
      'a type that is too large',
      [
        ...Array.from({ length: 40 }, (_, i) => `x${i + 1} = (${i === 0 ? 'x' : `x${i}`}, ${i === 0 ? 'x' : `x${i}`})`),
        'return x',
      ].join('\n'),
      /a value has a type of \d+ parts/,
    ],
  ])('names %s', async (_, body, message) => {
    await expect(graphOfBody(body)).rejects.toThrow(message);
  });
});
