import { SconceError } from '@sconce/errors';

/** A server's address. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** A Redis whose primary Sentinels name. */
export interface SentinelUrl {
  readonly sentinels: readonly HostAndPort[];
  /** The name that the Sentinels know the primary and its replicas by. */
  readonly primaryName: string;
  /** Whether the Sentinels are reached over TLS. */
  readonly sentinelTls: boolean;
  /** Empty if the Sentinels ask for none. */
  readonly sentinelUsername: string;
  readonly sentinelPassword: string;
  /** Whether the Redis servers are reached over TLS. */
  readonly isSecure: boolean;
  /** Empty if the Redis servers ask for none. */
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

const FORM =
  'redis+sentinel://[user:password@]host[:port][,host[:port]…]/NAME[/database][?sentinel_username=…&sentinel_password=…&sentinel_tls=false]';
const DEFAULT_PORT = 26_379;
const PARAMETERS = ['sentinel_username', 'sentinel_password', 'sentinel_tls'];

/**
 * Reads `redis+sentinel://…` or, with TLS, `rediss+sentinel://…`; undefined for a URL of another kind. User and password are the Redis
 * servers'. `rediss` holds for Sentinels too, unless `sentinel_tls=false`.
 *
 * @throws SconceError `invalid_request` that says what is wrong and never prints a password.
 */
export function parseSentinelUrl(url: string): SentinelUrl | undefined {
  const match = /^(rediss?)\+sentinel:\/\/(?:([^/]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (match === null) {
    if (/^rediss?\+sentinel:/.test(url)) throw invalid('it cannot be read');
    return undefined;
  }
  const [, scheme = '', login = '', hosts = '', path = '', query = ''] = match;
  const [primaryName = '', database = '0', ...rest] = path.split('/');
  if (primaryName === '') throw invalid('the name of the primary is missing after the hosts');
  if (rest.length > 0 || !/^\d*$/.test(database)) throw invalid(`"${database}" is not the number of a database`);
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) throw invalid(`${name} is not known: known are ${PARAMETERS.join(', ')}`);
  }
  const tls = parameters.get('sentinel_tls');
  if (tls !== null && tls !== 'true' && tls !== 'false') throw invalid('sentinel_tls must be true or false');
  const colon = login.indexOf(':');
  const isSecure = scheme === 'rediss';
  return {
    sentinels: hosts.split(',').map(readHost),
    primaryName: decode(primaryName),
    sentinelTls: tls === null ? isSecure : tls === 'true',
    sentinelUsername: parameters.get('sentinel_username') ?? '',
    sentinelPassword: parameters.get('sentinel_password') ?? '',
    isSecure,
    username: decode(colon === -1 ? login : login.slice(0, colon)),
    password: colon === -1 ? '' : decode(login.slice(colon + 1)),
    database: Number(database),
  };
}

/** Whether a text is the URL of a Redis, with or without Sentinels. @throws SconceError for Sentinels, as `parseSentinelUrl`. */
export function isRedisUrl(url: string): boolean {
  return parseSentinelUrl(url) !== undefined || (/^rediss?:/.test(url) && URL.canParse(url));
}

/** The URL of one server of a Redis with Sentinels. */
export function serverUrl({ isSecure, username, password, database }: SentinelUrl, at: HostAndPort): URL {
  const url = new URL(`${isSecure ? 'rediss' : 'redis'}://${hostText(at)}/${database}`);
  url.username = encodeURIComponent(username);
  url.password = encodeURIComponent(password);
  return url;
}

/** `host:port`, with brackets around an IPv6 address. */
export function hostText({ host, port }: HostAndPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function readHost(text: string): HostAndPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (host === undefined || port < 1 || port > 65_535) throw invalid(`"${text}" is not host:port of a Sentinel`);
  return { host, port };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('a % is not followed by two hexadecimal digits');
  }
}

function invalid(why: string): SconceError {
  return new SconceError('invalid_request', `The URL of a Redis with Sentinels is wrong: ${why}. It must be ${FORM}.`);
}
