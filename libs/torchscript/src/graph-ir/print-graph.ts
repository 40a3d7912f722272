import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import type { FunctionDef } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import { modelError } from '../torchscript-error.ts';
import { printConstants } from './archive-constants.ts';
import { emitFunction } from './function-emitter.ts';
import { formatGraph } from './format-graph.ts';
import type { Graph, Node } from './graph.ts';
import type { EmitContext } from './expression-emitter.ts';
import { inlineCalls } from './inline-calls.ts';
import type { IrType } from './ir-type.ts';
import { cleanUp, prepareForInlining } from './passes/clean-up.ts';
import { classType } from './read-type.ts';

/** Options of {@link printGraph}. */
export interface GraphOptions {
  /** A method of the root module. Default: `forward`. */
  readonly method?: string;
  /** Whether calls of modules and functions are inlined. */
  readonly inlined?: boolean;
}

/**
 * The graph of a method of the root module, for people to read, as PyTorch prints `module.graph` (or `module.inlined_graph`). Models
 * that cannot be compiled can be printed too: results of unknown operators have type `Any`.
 *
 * @throws SconceError `model_invalid` if there is no such method, its code cannot be parsed, or the inlined graph is too large.
 */
export async function printGraph(
  archive: TorchScriptArchive,
  program: Program,
  options: GraphOptions = {},
): Promise<string> {
  const { method = 'forward', inlined = false } = options;
  const graphs = new Graphs({
    program,
    constants: await printConstants(archive),
    // PyTorch 2 records the byte order.
    release: archive.recordRange('byteorder') === undefined ? 1 : 2,
  });
  const { className } = archive.root;
  const graph = graphs.ofMethod(className, method);
  if (graph === undefined) {
    const methods = program.findClass(className)?.methods.map(({ name }) => name) ?? [];
    throw modelError('parse', `${className} has no method ${method}; it has ${methods.join(', ') || 'none'}`);
  }
  return formatGraph(inlined ? graphs.inline(graph) : graph);
}

/** Graphs of methods and functions, each made once. */
class Graphs {
  readonly #context: EmitContext;
  readonly #made = new Map<FunctionDef, Graph>();
  /** Graphs without calls, ready to be inlined. */
  readonly #inlined = new Map<Graph, Graph>();
  /** Graphs that are being inlined. A graph that is met again here calls itself. */
  readonly #open = new Set<Graph>();

  constructor(context: EmitContext) {
    this.#context = context;
  }

  ofMethod(className: string, method: string): Graph | undefined {
    const { program } = this.#context;
    const definition = program.findClass(className)?.methods.find(({ name }) => name === method);
    return definition === undefined ? undefined : this.#of(definition, classType(className, program));
  }

  /** The graph with all calls inlined. */
  inline(graph: Graph): Graph {
    return inlineCalls(graph, (call) => {
      const callee = this.#ofCallee(call);
      return callee === undefined ? undefined : this.#prepare(callee, call);
    });
  }

  #prepare(callee: Graph, call: Node): Graph {
    let prepared = this.#inlined.get(callee);
    if (prepared === undefined) {
      if (this.#open.has(callee)) {
        throw modelError('parse', `${call.name ?? 'a function'} calls itself: it cannot be inlined`);
      }
      this.#open.add(callee);
      prepared = this.inline(callee);
      prepareForInlining(prepared);
      this.#open.delete(callee);
      this.#inlined.set(callee, prepared);
    }
    return prepared;
  }

  #ofCallee({ kind, name, inputs }: Node): Graph | undefined {
    if (name === undefined) return undefined;
    if (kind === 'prim::CallMethod') {
      const type = inputs[0]?.type;
      // The class behind an interface is known only at run time.
      return type?.kind === 'class' && type.form === 'class' ? this.ofMethod(type.name, name) : undefined;
    }
    const definition = this.#context.program.findFunction(name);
    return definition === undefined ? undefined : this.#of(definition, undefined);
  }

  #of(definition: FunctionDef, self: IrType | undefined): Graph {
    let graph = this.#made.get(definition);
    if (graph === undefined) {
      graph = emitFunction(this.#context, definition, self);
      cleanUp(graph);
      this.#made.set(definition, graph);
    }
    return graph;
  }
}
