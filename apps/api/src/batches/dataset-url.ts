import { SconceError } from '@sconce/errors';

/**
 * Checks whether the address of a dataset is below an allowed place. The reader of the dataset checks the file itself again.
 * @throws SconceError `invalid_request`.
 */
export function checkDatasetUrl(url: string, roots: readonly string[]): void {
  const refuse = (why: string): never => {
    throw new SconceError('invalid_request', `input_url: ${why}.`, { details: { param: 'input_url' } });
  };
  if (!URL.canParse(url)) refuse('this is no URL');
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'file:' && protocol !== 's3:') refuse('expected file:///… or s3://bucket/key');
  if (protocol === 'file:' && hostname !== '') refuse('a file has no host: file:///folder/name');
  if (roots.length === 0)
    refuse('no place is allowed from which datasets may be read (SCONCE_DATASET_ROOTS); upload it as a file');
  if (
    protocol === 's3:' &&
    !roots.some((root) => root.startsWith('s3://') && url.startsWith(root.endsWith('/') ? root : `${root}/`))
  ) {
    refuse('this is not beneath a bucket from which datasets may be read (SCONCE_DATASET_ROOTS)');
  }
}
