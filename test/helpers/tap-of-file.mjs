/** `tap` as a test file sees it that shares its process with others: see test-of-file.mjs. */
export * from 'tap';
export default globalThis.testOfFile;
