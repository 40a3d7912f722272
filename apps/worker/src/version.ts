/** The release that this worker is of. */
export const VERSION = '0.1.0';
