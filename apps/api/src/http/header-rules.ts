/** What is done about a header that asks for something that a route does not do. */
export interface HeaderRule {
  /** In lower case. */
  readonly name: string;
  /** Why the request is refused. Without it, the header is named in the header `Warning`. */
  readonly refusal?: string;
  /** Whether this value asks for nothing more than the route does. */
  readonly isFine?: (value: string) => boolean;
}

const NO_CONDITIONS =
  'a resource has no entity tag and no date to compare with; read it first, and leave the header out';

/** On every route. Ignored, they would change the meaning of the request. */
const REFUSED: readonly HeaderRule[] = [
  { name: 'if-match', refusal: NO_CONDITIONS },
  { name: 'if-unmodified-since', refusal: NO_CONDITIONS },
  { name: 'x-http-method-override', refusal: 'send the request with that method' },
  { name: 'x-method-override', refusal: 'send the request with that method' },
];

/** On routes that change something. On others the whole answer is right without them. */
const REFUSED_ON_CHANGES: readonly HeaderRule[] = [
  { name: 'if-none-match', refusal: NO_CONDITIONS },
  { name: 'content-range', refusal: 'send the body whole' },
];

/** On every route. They ask for something that is not done, but the answer is right nevertheless. */
const REPORTED: readonly HeaderRule[] = [
  { name: 'range' },
  { name: 'content-md5' },
  { name: 'digest' },
  { name: 'content-digest' },
  { name: 'repr-digest' },
  { name: 'openai-organization' },
  { name: 'openai-project' },
  { name: 'endpoint-load-metrics-format' },
];

const INFER = /^POST \/v2\/models\/.*\/infer$/;
const isRespondAsync = (value: string): boolean => value.trim().toLowerCase() === 'respond-async';

/** The rules of a route, such as `GET /v1/jobs/:id`. A header without a rule says nothing about what the caller wants of us. */
export function headerRules(route: string): readonly HeaderRule[] {
  const isInfer = INFER.test(route);
  const takesTensors = isInfer || route === 'POST /v1/jobs';
  const isRead = route.startsWith('GET ');
  return [
    ...REFUSED,
    ...(isRead ? [] : REFUSED_ON_CHANGES),
    ...REPORTED,
    ...(takesTensors
      ? [{ name: 'prefer', isFine: isRespondAsync }]
      : [{ name: 'inference-header-content-length' }, { name: 'prefer' }]),
    ...(route.startsWith('POST ') ? [] : [{ name: 'idempotency-key' }]),
  ];
}
