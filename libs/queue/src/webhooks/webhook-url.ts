import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { SconceError } from '@sconce/errors';

/** Longest URL of a receiver, characters. */
const MAX_URL_CHARS = 2_048;

/** All public IPv6 addresses are in 2000::/3. The rest is special, or not assigned yet. */
const GLOBAL_UNICAST_V6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** The well-known prefix of NAT64 (RFC 6052): the last 32 bits are the IPv4 address of the target. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/** Whether receivers may be in a private network and use HTTP without TLS. */
export interface WebhookUrlPolicy {
  readonly allowPrivate: boolean;
}

/**
 * The name of an address's special-purpose range (`loopback`, `private`, `linkLocal`, `carrierGradeNat`, `6to4`, …), or undefined for a
 * public address. IPv4 within IPv6 (mapped, NAT64) counts as IPv4. Tunnels (6to4, Teredo) are always special. A text that is no address
 * is `invalid`.
 */
export function specialPurposeOf(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) return 'invalid';
  const parsed = ipaddr.process(family === 6 ? inHexadecimal(address) : address);
  if (parsed instanceof ipaddr.IPv4) return ordinary(parsed.range());
  if (parsed.match(NAT64)) return ordinary(new ipaddr.IPv4(parsed.toByteArray().slice(12)).range());
  return ordinary(parsed.range()) ?? (parsed.match(GLOBAL_UNICAST_V6) ? undefined : 'reserved');
}

/** IPv6 in its canonical form, without a zone. ipaddr.js would take `::1.2.3.4` for a mapped address. */
function inHexadecimal(address: string): string {
  const [withoutZone = ''] = address.split('%');
  return new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
}

function ordinary(range: string): string | undefined {
  return range === 'unicast' ? undefined : range;
}

/**
 * Checks a receiver's URL without a DNS query: scheme, credentials, length, and a host that is an address in any notation, or
 * `localhost`. A name may still resolve to a private address: the delivery checks that.
 * Throws `invalid_request` with `webhook.url` as param.
 */
export function checkWebhookUrl(text: string, { allowPrivate }: WebhookUrlPolicy): URL {
  if (text.length > MAX_URL_CHARS) {
    throw refusal(`it has ${text.length} characters; ${MAX_URL_CHARS} are allowed`);
  }
  const url = URL.parse(text);
  if (url === null) throw refusal('it is no absolute URL; give one such as "https://example.com/hook"');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refusal(`its scheme is "${url.protocol.slice(0, -1)}"; give an https URL`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal('it carries credentials; leave them out: the signature tells the receiver who sends');
  }
  if (allowPrivate) return url;
  if (url.protocol === 'http:') throw refusal('its scheme is "http"; give an https URL');
  const special = specialPurposeOfHost(url.hostname);
  if (special !== undefined) {
    throw refusal(
      `its host is not on the public internet (${special}); give one that is, or have private ones allowed`,
    );
  }
  return url;
}

/** As `specialPurposeOf`, for the host of a URL; undefined for a name, which has to be resolved first. */
function specialPurposeOfHost(hostname: string): string | undefined {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return 'loopback';
  const address = addressOfHost(hostname);
  return address === undefined ? undefined : specialPurposeOf(address);
}

/** The address in the host of a URL, without the brackets of IPv6; undefined when the host is a name. */
export function addressOfHost(hostname: string): string | undefined {
  // The URL parser has turned decimal, octal and hexadecimal notations of IPv4 into the usual one.
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(address) === 0 ? undefined : address;
}

function refusal(why: string): SconceError {
  return new SconceError('invalid_request', `The webhook's URL is refused: ${why}.`, {
    details: { param: 'webhook.url' },
  });
}
