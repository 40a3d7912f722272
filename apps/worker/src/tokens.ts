/** Injection tokens of what is not a class of ours. */
export const CONFIG = Symbol('WorkerConfig');
export const LOGGER = Symbol('Logger');
export const TELEMETRY = Symbol('Telemetry');
export const BLOB_STORE = Symbol('BlobStore');
