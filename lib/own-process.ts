/** Whose process this is. */

/**
 * The command line sets `isOurs` before anything else is loaded. A program that uses this package has settings of its own for the
 * libraries that it shares with it.
 */
export const ownProcess = { isOurs: false };
