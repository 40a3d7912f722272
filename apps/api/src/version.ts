/** The product's version, as every surface reports it. */
export const VERSION = '0.1.0';
