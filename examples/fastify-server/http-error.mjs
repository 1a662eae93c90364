/** An error that is the client's or the load's, with the status of its answer. */
export function httpError(statusCode, code, message) {
  return Object.assign(new Error(message), { statusCode, code });
}
