import { describe, expect, it } from 'vitest';

import { FUNCTIONS, graphOf } from '../../fixtures/code/graph-of-code.ts';

describe('an inlined graph', () => {
  it('has the graphs of functions and methods in place of their calls', async () => {
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

  it('has these graphs simplified', async () => {
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

  it('is refused for a function that calls itself', async () => {
    const members = 'def forward(self: __torch__.M, x: Tensor) -> Tensor:\n  return (self).forward(x, )';
    await expect(graphOf(members, { inlined: true })).rejects.toThrow('forward calls itself: it cannot be inlined');
    expect(await graphOf(members)).toContain('prim::CallMethod[name="forward"]');
  });

  it('is refused if it grows too large', async () => {
    const functions = Array.from(
      { length: 40 },
      (_, i) => `def f${i}(x: Tensor) -> Tensor:\n  return __torch__.f${i + 1}(__torch__.f${i + 1}(x, ), )\n`,
    );
    const rest = `${functions.join('')}def f40(x: Tensor) -> Tensor:\n  return torch.neg(x)\n`;
    const members = 'def forward(self: __torch__.M, x: Tensor) -> Tensor:\n  return __torch__.f0(x, )';
    await expect(graphOf(members, { rest, inlined: true })).rejects.toThrow(/more than \d+ nodes/);
  });
});
