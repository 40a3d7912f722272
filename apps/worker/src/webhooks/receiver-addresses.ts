import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { addressOfHost, specialPurposeOf } from '@sconce/queue';

/** All addresses of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>;

/**
 * The addresses of a URL's host, resolved once. Throws if there is none. Unless private addresses are allowed, it also throws if any of
 * them is not on the public internet: an honest receiver does not mix the two.
 */
export async function receiverAddresses(
  url: URL,
  options: { readonly allowPrivate: boolean; readonly resolve?: ResolveHost },
): Promise<readonly string[]> {
  const { allowPrivate, resolve = systemResolver } = options;
  const literal = addressOfHost(url.hostname);
  const addresses = literal === undefined ? await resolve(url.hostname) : [literal];
  if (addresses.length === 0) throw new Error('the name resolves to no address');
  for (const address of addresses) {
    const special = allowPrivate ? undefined : specialPurposeOf(address);
    if (special !== undefined)
      throw new Error(`it resolves to an address that is not on the public internet (${special})`);
  }
  return addresses;
}

/** A `lookup` for a connection that may go only to these addresses. An address in the URL itself is never looked up. */
export function pinnedTo(addresses: readonly string[]): LookupFunction {
  const known = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_hostname, { all }, callback) => {
    const [first] = known;
    if (all === true || first === undefined) callback(null, known);
    else callback(null, first.address, first.family);
  };
}

async function systemResolver(hostname: string): Promise<readonly string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
