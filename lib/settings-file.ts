/** Files of settings: YAML or JSON, written by hand or saved by a run. */
import { parseDocument, stringify } from 'yaml';
import { DinoSegError } from './errors.js';
import { readBytes, readJson } from './files.js';
import { isObject, type JsonObject } from './json.js';

/** What a file of settings holds. */
export interface SettingsFile {
  /** By name; what stands for nothing (`null`) is among them. */
  settings: JsonObject;
  /** Of a saved file: what it configures, e.g. `train`. */
  command?: string;
}

const isJson = (path: string) => path.toLowerCase().endsWith('.json');

async function readObject(path: string): Promise<JsonObject> {
  const parsed = isJson(path) ? await readJson(path, 'INVALID_ARGUMENT') : await readYaml(path);
  if (isObject(parsed)) return parsed;
  throw new DinoSegError(
    'INVALID_ARGUMENT',
    `${path} should contain settings by name, such as "epochs: 5", not ${Array.isArray(parsed) ? 'a list' : JSON.stringify(parsed)}.`,
  );
}

async function readYaml(path: string): Promise<unknown> {
  const document = parseDocument((await readBytes(path)).toString('utf8'), { logLevel: 'error' });
  const [error] = document.errors;
  if (error)
    throw new DinoSegError('INVALID_ARGUMENT', `${path} is not valid YAML: ${error.message}`, {
      cause: error,
    });
  // An unknown tag, say: the value would be another one than what was written.
  const [warning] = document.warnings;
  if (warning)
    throw new DinoSegError('INVALID_ARGUMENT', `${path} contains unsupported YAML: ${warning.message}`);
  return document.toJS();
}

/**
 * Reads settings: an object of them (YAML, or JSON in a file whose name ends with .json), or a saved configuration, whose
 * settings stand under `config` beside the `package` that wrote it; a run folder's config.json is one.
 *
 * @throws DinoSegError FILE_NOT_FOUND, IO, INVALID_ARGUMENT for anything else.
 */
export async function readSettingsFile(path: string): Promise<SettingsFile> {
  const read = await readObject(path);
  const { package: version, command, config } = read;
  if (typeof version !== 'string' || !isObject(config)) return { settings: read };
  return { settings: config, ...(typeof command === 'string' && { command }) };
}

/** The text of a saved configuration, as JSON for a path that ends with .json, else YAML. */
export function settingsText(
  path: string,
  saved: { package: string; command: string; config: JsonObject },
): string {
  return isJson(path) ? `${JSON.stringify(saved, null, 2)}\n` : stringify(saved);
}
