import { SconceError } from '@sconce/errors';

import type { TorchScriptArchive } from './archive/torchscript-archive.ts';
import { Interpreter } from './executor/interpreter.ts';
import { ObjectGraph, type SmallTensors } from './executor/object-graph.ts';
import { RaisedException } from './executor/raised-exception.ts';
import { describePosition } from './frontend/position.ts';
import type { Program } from './frontend/program.ts';
import { callOperator } from './lowering/call-operator.ts';
import { OP_FAMILIES, operatorTable } from './lowering/registry.ts';
import type { Execution } from './signature/execution.ts';
import { flattenOutputs } from './signature/flatten-outputs.ts';
import type { LearnedSizes } from './signature/learn-inputs.ts';
import { bindState, findState, outputState, snapshotState, type StateVariable } from './signature/module-state.ts';
import { bindInputs, type ArgumentPlan } from './signature/plan-inputs.ts';
import { Emitter } from './symbolic/emitter.ts';
import { UnsupportedReport } from './symbolic/unsupported-report.ts';
import { nextSerial } from './symbolic/values.ts';
import { modelError } from './torchscript-error.ts';

/** The model's archive, its parsed code and the elements of its small tensors. */
export interface ExecutedModel {
  readonly archive: TorchScriptArchive;
  readonly program: Program;
  readonly small: SmallTensors;
}

/** A method, its arguments and how to execute it. */
export interface ExecutionPlan {
  readonly method: string;
  readonly arguments: readonly ArgumentPlan[];
  /** True in a trial that finds the inputs' ranks. */
  readonly inferring?: boolean;
  /** Gets the sizes that the model requires of its inputs, even if the execution fails. */
  readonly onLearned?: (sizes: LearnedSizes) => void;
}

/**
 * Executes a method symbolically. If the module changes its own attributes, the method is executed again with these attributes as
 * inputs and outputs.
 *
 * @throws SconceError `model_invalid` that names everything unsupported at once.
 */
export function execute(model: ExecutedModel, plan: ExecutionPlan): Execution {
  const first = run(model, plan, []);
  if (first.state.length === 0) return first;
  // The next call starts with the state that this call leaves. Its sizes may have to become free.
  let state = first.state;
  for (let round = 0; round < 4; round++) {
    const next = run(model, plan, state);
    if (JSON.stringify(next.state.map(typeText)) === JSON.stringify(state.map(typeText))) return next;
    state = next.state;
  }
  throw modelError(
    'execute',
    'the module’s own state changes its type or rank from call to call: a compiled model needs the same type and rank in every call',
  );
}

function isOfModel(thrown: unknown): boolean {
  return thrown instanceof SconceError && thrown.code === 'model_invalid';
}

function typeText(variable: StateVariable): unknown {
  return { path: variable.path, dtype: variable.type.dtype, shape: variable.type.shape.map((dim) => dim === null) };
}

/** Executes the method once, with `state` as inputs and outputs. */
function run(model: ExecutedModel, plan: ExecutionPlan, state: readonly StateVariable[]): Execution {
  const { archive, program, small } = model;
  const emitter = new Emitter(plan.inferring);
  const report = new UnsupportedReport();
  const objects = new ObjectGraph(program, archive.constants, small);
  const tools = { table: operatorTable(OP_FAMILIES, archive.version), context: emitter, report };
  const interpreter = new Interpreter({
    program,
    emitter,
    callOperator: (call) => callOperator(tools, call),
    objects,
    report,
  });
  const args = bindInputs(plan.arguments, emitter);
  try {
    const root = objects.root(archive.root, interpreter);
    // What `__setstate__` sets belongs to the archive, it is no change that a call makes.
    emitter.heap.forgetChanges();
    const initial = snapshotState(root);
    bindState(state, root, emitter);
    const serial = nextSerial();
    const result = interpreter.callMethod(root, plan.method, { args, kwargs: new Map() });
    report.throwIfAny();
    const { outputs, lists } = flattenOutputs(result, emitter);
    const changed = findState(root, emitter, { serial, initial, known: state });
    const stateOutputs = state.length === 0 ? [] : outputState(changed, root, emitter);
    return { emitter, outputs: [...outputs, ...stateOutputs], lists, state: changed };
  } catch (thrown) {
    // What follows an unsupported operator may fail because of it, so that operator is the reason.
    if (thrown instanceof RaisedException || isOfModel(thrown)) report.throwIfAny();
    if (!(thrown instanceof RaisedException)) throw thrown;
    throw modelError(
      'execute',
      `the model raises “${thrown.message}” for these inputs (${describePosition(thrown.at)}): check their ranks, sizes and types`,
    );
  } finally {
    plan.onLearned?.(emitter.learnedSizes);
  }
}
