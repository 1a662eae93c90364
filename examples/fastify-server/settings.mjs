/** The server's limits: one table for the environment and for `buildApp`. */

const million = 1e6;

/**
 * Each setting: the environment variable, its default, the smallest and largest value, and what it says. Those in seconds may have
 * decimals; all others are whole numbers.
 */
export const settings = {
  maxBytes: ['MAX_BYTES', 10 * million, 1, 2 ** 31, 'bytes of an upload; larger ones get 413'],
  maxPixels: [
    'MAX_PIXELS',
    12 * million,
    1,
    2 ** 28,
    'pixels of an image; larger ones get 422 before they are decoded',
  ],
  maxUploadBytes: [
    'MAX_UPLOAD_BYTES',
    256 * million,
    1,
    2 ** 40,
    'bytes of all uploads together that the server holds; more get 503',
  ],
  maxConnections: ['MAX_CONNECTIONS', 512, 1, 65535, 'open connections; more are closed at once'],
  maxRunning: [
    'MAX_RUNNING',
    2,
    1,
    64,
    'images in work for each device: while one is computed, the next is decoded',
  ],
  maxWaiting: ['MAX_WAITING', 32, 0, 65536, 'images that wait for each device; more get 503'],
  uploadSeconds: [
    'UPLOAD_SECONDS',
    30,
    0.1,
    86400,
    'from the first byte of a request to the last; slower ones get 408',
  ],
  sendSeconds: [
    'SEND_SECONDS',
    30,
    0.1,
    86400,
    'without a byte that the client takes of the answer; then the connection is closed',
  ],
  graceSeconds: ['GRACE_SECONDS', 10, 0, 86400, 'to finish at SIGTERM; what still runs is then cancelled'],
};

/**
 * All settings: those given, and defaults. Numbers, or texts as in the environment.
 *
 * @param {Record<string, number | string | undefined>} given by the names of the table
 * @throws {Error} with a line for each unknown setting and each wrong value.
 */
export function readSettings(given = {}) {
  const wrong = Object.keys(given)
    .filter((name) => !(name in settings))
    .map((name) => `Unknown setting ${name}. The settings are ${Object.keys(settings).join(', ')}.`);
  const read = Object.entries(settings).map(([name, [variable, preset, min, max, meaning]]) => {
    const value = given[name] ?? preset;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    const isWhole = name.endsWith('Seconds') || Number.isInteger(number);
    if (typeof number !== 'number' || !isWhole || !(number >= min && number <= max))
      wrong.push(
        `${name} (${variable}) should be a ${name.endsWith('Seconds') ? '' : 'whole '}number from ${min} to ${max}, not ${JSON.stringify(value)}: ${meaning}.`,
      );
    return [name, number];
  });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return Object.fromEntries(read);
}

/** The settings that environment variables name; an empty one counts as absent. */
export function settingsOfEnvironment(environment) {
  return Object.fromEntries(
    Object.entries(settings)
      .map(([name, [variable]]) => [name, environment[variable] || undefined])
      .filter(([, value]) => value !== undefined),
  );
}
