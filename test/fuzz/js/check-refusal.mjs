// What a reader may answer a hostile input with.
import { DinoSegError, errorCodes } from '../../../dist/errors.js';

/** Longer messages hide what is to be done, and a file could fill a log with them: 8000 characters, of which each may be an escape. */
const mostCharacters = 6 * 8003;

/** What is wrong with a thrown value; undefined if a person can act on it. */
export function faultOf(error) {
  if (!(error instanceof DinoSegError)) return `not an error of this package: ${stackOf(error)}`;
  const { code, message } = error;
  if (!Object.hasOwn(errorCodes, code) || code === 'INTERNAL' || code === 'TORCH')
    return `an error without a cause, ${code}: ${message}`;
  if (message === '') return 'an empty message';
  if (message.length > mostCharacters)
    return `a message of ${message.length} characters: ${message.slice(0, 80)}…\n${stackOf(error)}`;
  if (!message.isWellFormed())
    return `a message that is no text: ${JSON.stringify(message)}\n${stackOf(error)}`;
  // eslint-disable-next-line no-control-regex
  const [control] = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(message) ?? [];
  if (control !== undefined)
    return `a message with the control character ${JSON.stringify(control)}\n${stackOf(error)}`;
  return undefined;
}

const stackOf = (error) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** The same for findings with the same cause: its kind and the place that threw it, without what varies. */
export function causeOf(fault) {
  const [first] = fault.split(/[:\n]/, 1);
  const places = fault.match(/dist\/[\w/.-]+\.js:\d+/g) ?? [];
  return [first.replace(/\d+/g, 'N').replace(/".*"/, ''), ...places.slice(0, 2)].join(' ');
}
