/** Injection tokens of values that are not our own classes. */
export const CONFIG = Symbol('ApiConfig');
export const LOGGER = Symbol('Logger');
export const BLOB_STORE = Symbol('BlobStore');
export const TELEMETRY = Symbol('Telemetry');
