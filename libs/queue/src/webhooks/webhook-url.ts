import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { SconceError } from '@sconce/errors';

/** Longest URL of a receiver, characters. */
const MAX_URL_CHARS = 2_048;

/** Addresses of the public internet are all in 2000::/3; the rest of IPv6 is special, or has not been given out yet. */
const GLOBAL_UNICAST_V6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** NAT64's well-known prefix (RFC 6052): the last 32 bits are the IPv4 address that the packet ends up at. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/** Whether receivers may be in a private network, and be reached without TLS. */
export interface WebhookUrlPolicy {
  readonly allowPrivate: boolean;
}

/**
 * What makes an address none of the public internet: the name of its special-purpose range (`loopback`, `private`, `linkLocal`,
 * `carrierGradeNat`, `6to4`, …), or undefined where it is an ordinary one. IPv4 within IPv6 (mapped, NAT64) is judged as IPv4; tunnels
 * (6to4, Teredo) are refused whatever is in them. What is no address at all is `invalid`.
 */
export function specialPurposeOf(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) return 'invalid';
  const parsed = ipaddr.process(family === 6 ? inHexadecimal(address) : address);
  if (parsed instanceof ipaddr.IPv4) return ordinary(parsed.range());
  if (parsed.match(NAT64)) return ordinary(new ipaddr.IPv4(parsed.toByteArray().slice(12)).range());
  return ordinary(parsed.range()) ?? (parsed.match(GLOBAL_UNICAST_V6) ? undefined : 'reserved');
}

/** IPv6 in its canonical form, without a zone: ipaddr.js takes `::1.2.3.4` for a mapped address, which it is not. */
function inHexadecimal(address: string): string {
  const [withoutZone = ''] = address.split('%');
  return new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
}

function ordinary(range: string): string | undefined {
  return range === 'unicast' ? undefined : range;
}

/**
 * Checks what can be told of a receiver's URL without asking anyone: scheme, credentials, length, and a host that is an address (in
 * whatever notation) or `localhost`. A name may still lead to a private address: the delivery checks what it resolves to.
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

/** As `specialPurposeOf`, for a URL's host; a name that has to be resolved first is undefined. */
function specialPurposeOfHost(hostname: string): string | undefined {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return 'loopback';
  const address = addressOfHost(hostname);
  return address === undefined ? undefined : specialPurposeOf(address);
}

/** The address that a URL's host is, without an IPv6 address's brackets; undefined where it is a name. */
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
