import type { SourceText } from '../archive/torchscript-archive.ts';

/** The place of a piece of syntax: a character offset (UTF-16) in its file. */
export interface Position {
  readonly source: SourceText;
  readonly offset: number;
}

/** A parsed file of serialised code. */
export interface SourceFile {
  readonly source: SourceText;
  readonly classes: readonly ClassDef[];
  readonly functions: readonly FunctionDef[];
}

/** `class N(Module):`; `base` is undefined for a plain class. */
export interface ClassDef {
  readonly name: string;
  readonly base: 'Module' | 'ModuleInterface' | 'Interface' | 'NamedTuple' | 'Enum' | undefined;
  readonly parameters: readonly string[];
  readonly buffers: readonly string[];
  /** Declared attributes in order, with attributes that are written as `__annotations__["0"] = T`. */
  readonly attributes: readonly AttributeDef[];
  readonly methods: readonly FunctionDef[];
  readonly at: Position;
}

/** `n : T`, `n : Final[T] = const` or, in an enum, `n = const`. */
export interface AttributeDef {
  readonly name: string;
  readonly type: TypeExpr | undefined;
  readonly value: Expr | undefined;
}

export interface FunctionDef {
  readonly name: string;
  /** All parameters. The first one of a method is `self`. */
  readonly params: readonly ParamDef[];
  readonly returns: TypeExpr | undefined;
  /** Empty for interface methods (`pass`). */
  readonly body: readonly Stmt[];
  readonly at: Position;
}

export interface ParamDef {
  readonly name: string;
  readonly type: TypeExpr | undefined;
  readonly default: Expr | undefined;
}

/** A type as written: `Dict[str, Tensor]` is `{name: 'Dict', args: [...]}`. The name of `__torch__.a.B` is the whole path. */
export interface TypeExpr {
  readonly name: string;
  readonly args: readonly TypeExpr[];
}

export type Stmt =
  /** `a, b, = e` unpacks (`targets` 2, `unpack` true); `a, b = x, y` assigns in parallel (`values` 2). `a = e` has one of each. */
  | {
      readonly kind: 'assign';
      readonly targets: readonly Expr[];
      readonly unpack: boolean;
      readonly type: TypeExpr | undefined;
      readonly values: readonly Expr[];
      readonly at: Position;
    }
  | { readonly kind: 'expr'; readonly value: Expr; readonly at: Position }
  /** `value` is undefined for `return` alone. */
  | { readonly kind: 'return'; readonly value: Expr | undefined; readonly at: Position }
  | { readonly kind: 'pass'; readonly at: Position }
  | {
      readonly kind: 'if';
      readonly test: Expr;
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
      readonly at: Position;
    }
  /** `for <name> in range(<count>):` */
  | {
      readonly kind: 'for';
      readonly variable: string;
      readonly count: Expr;
      readonly body: readonly Stmt[];
      readonly at: Position;
    }
  | { readonly kind: 'while'; readonly test: Expr; readonly body: readonly Stmt[]; readonly at: Position }
  | {
      readonly kind: 'with';
      readonly context: Expr;
      readonly variable: string | undefined;
      readonly body: readonly Stmt[];
      readonly at: Position;
    }
  /** A nested `def __forked_functionN():`. */
  | { readonly kind: 'def'; readonly function: FunctionDef; readonly at: Position };

export type Expr =
  | { readonly kind: 'name'; readonly name: string; readonly at: Position }
  /** An int is a bigint, a float (also `inf` and `nan`) a number, a complex number `{re, im}`. */
  | {
      readonly kind: 'literal';
      readonly value: null | boolean | bigint | number | string | { readonly re: number; readonly im: number };
      readonly at: Position;
    }
  | { readonly kind: 'list'; readonly items: readonly Expr[]; readonly at: Position }
  | { readonly kind: 'tuple'; readonly items: readonly Expr[]; readonly at: Position }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expr, Expr])[]; readonly at: Position }
  /** `e.name`. A dotted path such as `torch.nn.f`, `ops.prim.x`, `__torch__.a.B`, `CONSTANTS.c0` is nested attributes on a name. */
  | { readonly kind: 'attribute'; readonly object: Expr; readonly name: string; readonly at: Position }
  | { readonly kind: 'index'; readonly object: Expr; readonly index: Expr; readonly at: Position }
  /** `(e)[i:j]`. */
  | {
      readonly kind: 'slice';
      readonly object: Expr;
      readonly start: Expr | undefined;
      readonly end: Expr | undefined;
      readonly step: Expr | undefined;
      readonly at: Position;
    }
  | {
      readonly kind: 'call';
      readonly callee: Expr;
      readonly args: readonly Expr[];
      readonly kwargs: readonly { readonly name: string; readonly value: Expr }[];
      readonly at: Position;
    }
  /** `annotate(T, e)`, `unchecked_cast(T, e)`, `uninitialized(T)` (value undefined), `isinstance(e, T)` (one or more types). */
  | {
      readonly kind: 'typed';
      readonly form: 'annotate' | 'unchecked_cast' | 'uninitialized' | 'isinstance';
      readonly types: readonly TypeExpr[];
      readonly value: Expr | undefined;
      readonly at: Position;
    };
