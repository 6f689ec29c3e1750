/** The version of podwire, as in package.json. */
export const VERSION = '0.0.1';
