import { modelConfigSchema, type ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { z } from 'zod';

/** Fields of Triton that Sconce does not support, and what to do instead, by path without indices. */
const REFUSED: Readonly<Record<string, string>> = {
  version_policy: 'pin a version with `sconce models use`',
  sequence_batching: 'each request stands alone; keep state in inputs and outputs of the model',
  ensemble_scheduling: 'push the models one by one and let the caller chain them',
  optimization: 'every model is optimised when it is pushed',
  'parameters.enable_mem_arena': 'memory is bounded by the worker; leave it out',
  'parameters.inter_op_thread_count': 'operators of a run follow one another; leave it out',
  cc_model_filenames: 'models run on CPUs; leave it out',
  model_transaction_policy: 'each request has one answer; leave it out',
  response_cache: 'answers are not cached; leave it out',
  'dynamic_batching.preferred_batch_size': 'the best number of rows is measured when the model is pushed; leave it out',
  'dynamic_batching.priority_levels': 'requests give their own priority; leave it out',
  'instance_group.gpus': 'models run on CPUs; leave it out',
  'instance_group.profile': 'models run on CPUs; leave it out',
  'input.reshape': 'give the shape the model takes',
  'output.reshape': 'give the shape the model gives',
  'output.label_filename': 'labels are not kept with a model; leave it out',
  'model_warmup.inputs': 'warm-up runs have seeded random rows; give batch_size alone',
};

const MAX_ISSUES = 5;
const MAX_VALUE_CHARS = 60;

interface Problem {
  readonly path: string;
  readonly message: string;
}

/**
 * Checks the config of a model.
 *
 * @throws SconceError `invalid_request` that names at most five faults: the path, the value and what is allowed.
 * `details.param` is the path of the first, such as `config.input[0].dims`. `details.issues` has all of them.
 */
export function parseModelConfig(json: unknown, options: { readonly name: string }): ModelConfig {
  const parsed = modelConfigSchema.safeParse(json);
  const problems = parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, json));
  if (parsed.success && parsed.data.name !== undefined && parsed.data.name !== options.name) {
    const message = `is ${show(parsed.data.name)}, but the model is pushed as "${options.name}": make them equal, or leave it out`;
    problems.push({ path: 'name', message });
  }
  if (parsed.success && problems.length === 0) return parsed.data;
  const shown = problems.slice(0, MAX_ISSUES);
  const texts = shown.map(({ path, message }) => (path === '' ? `it ${message}` : `${path} ${message}`));
  const more = problems.length > MAX_ISSUES ? `; and ${problems.length - MAX_ISSUES} more` : '';
  throw new SconceError('invalid_request', `the model’s config is not valid: ${texts.join('; ')}${more}`, {
    details: {
      param: ['config', ...shown.slice(0, 1).map(({ path }) => path)].filter((part) => part !== '').join('.'),
      issues: shown,
    },
  });
}

function problemsOf(issue: z.core.$ZodIssue, json: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: unknownField(issue.path, key) }));
  }
  const [found, value] = at(json, issue.path);
  const path = pathText(issue.path);
  if (issue.code === 'custom') return [{ path, message: issue.message }];
  return [{ path, message: `${found ? `is ${show(value)}` : 'is missing'}: ${allowed(issue)}` }];
}

function unknownField(path: readonly PropertyKey[], key: string): string {
  const names = [...path.filter((part) => typeof part !== 'number'), key].map(String);
  const advice = Object.hasOwn(REFUSED, names.join('.')) ? REFUSED[names.join('.')] : undefined;
  if (advice !== undefined) return `is not supported: ${advice}`;
  const fields = fieldsAt(path);
  return `is no field of a config${fields.length === 0 ? '' : `: allowed here are ${fields.join(', ')}`}`;
}

/** The names of the fields that the schema has at `path`. */
function fieldsAt(path: readonly PropertyKey[]): string[] {
  let schema: unknown = modelConfigSchema;
  for (const part of path) {
    const { shape, element } = unwrap(schema);
    schema = typeof part === 'number' ? element : shape?.[String(part)];
  }
  return Object.keys(unwrap(schema).shape ?? {});
}

interface Node {
  readonly shape?: Record<string, unknown>;
  readonly element?: unknown;
  readonly unwrap?: () => unknown;
}

function unwrap(schema: unknown): Node {
  let node = (schema ?? {}) as Node;
  while (node.unwrap !== undefined && node.element === undefined) node = node.unwrap() as Node;
  return node;
}

function allowed(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `it must be ${article(issue.expected)}`;
    case 'invalid_value':
      return `it must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return bound(issue.origin, issue.exact === true ? 'exactly' : 'at least', Number(issue.minimum));
    case 'too_big':
      return bound(issue.origin, issue.exact === true ? 'exactly' : 'at most', Number(issue.maximum));
    case 'invalid_union':
      return 'it must be a number, a boolean, a string or null';
    default:
      return issue.message;
  }
}

function bound(origin: string, how: string, limit: number): string {
  if (origin === 'array') return `it must have ${how} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (origin === 'string') return `it must be ${how} ${limit} ${limit === 1 ? 'character' : 'characters'} long`;
  return `it must be ${how} ${limit}`;
}

function article(expected: string): string {
  switch (expected) {
    case 'int':
      return 'a whole number';
    case 'array':
      return 'a list';
    case 'object':
    case 'record':
      return 'an object';
    default:
      return `a ${expected}`;
  }
}

function at(json: unknown, path: readonly PropertyKey[]): [boolean, unknown] {
  let value = json;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return [false, undefined];
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return [true, value];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = String(part).slice(0, MAX_VALUE_CHARS);
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
}
