import { SconceClient } from '@sconce/client';
import type { CliConfig } from '../config.ts';
import { UsageError } from '../output/failure.ts';

/** A client for the server that SCONCE_URL names. @throws UsageError if it is not an HTTP address. */
export function connect({ url, apiKey }: CliConfig): SconceClient {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol === 'http:' || protocol === 'https:') return new SconceClient({ url, apiKey });
  throw new UsageError(
    `SCONCE_URL is not an HTTP address: "${url}".`,
    'Set it like http://127.0.0.1:8000, or unset it to use that address.',
  );
}
