/** Injection tokens of what is not a class of ours. */
export const CONFIG = Symbol('ApiConfig');
export const LOGGER = Symbol('Logger');
export const BLOB_STORE = Symbol('BlobStore');
export const TELEMETRY = Symbol('Telemetry');
