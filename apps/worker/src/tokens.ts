/** Injection tokens for values that are not classes of this workspace. */
export const CONFIG = Symbol('WorkerConfig');
export const LOGGER = Symbol('Logger');
export const TELEMETRY = Symbol('Telemetry');
export const BLOB_STORE = Symbol('BlobStore');
