/** The release of this worker. */
export const VERSION = '0.1.0';
