/** Files of settings: YAML or JSON, written by hand or saved by a run. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isScalar, parseDocument, stringify, visit, type Document } from 'yaml';
import { DinoSegError } from './errors.js';
import { mostTextBytes, readJson, readText, systemCode } from './files.js';
import {
  isObject,
  isTooDeep,
  repeatedText,
  shown,
  tooDeepText,
  type JsonObject,
  type RepeatedKey,
} from './json.js';

/** What a file of settings holds. */
export interface SettingsFile {
  /** By name; what stands for nothing (`null`) is among them. */
  settings: JsonObject;
  /** Of a saved file: what it configures, e.g. `train`. */
  command?: string;
}

const isJson = (path: string) => path.toLowerCase().endsWith('.json');

function invalid(path: string, what: string, cause?: unknown): never {
  throw new DinoSegError('INVALID_ARGUMENT', `${path} ${what}`, { cause });
}

async function readObject(path: string): Promise<JsonObject> {
  const parsed = await readParsed(path);
  if (isObject(parsed)) return parsed;
  return invalid(
    path,
    `should contain settings by name, such as "epochs: 5", not ${Array.isArray(parsed) ? 'a list' : shown(parsed)}.`,
  );
}

/** @throws FILE_NOT_FOUND, IO, INVALID_ARGUMENT; for a folder with the advice to give a file of it */
async function readParsed(path: string): Promise<unknown> {
  try {
    if (isJson(path)) return await readJson(path, 'INVALID_ARGUMENT');
    return parseYaml(await readText(path, mostTextBytes, 'INVALID_ARGUMENT'), path);
  } catch (error) {
    if (!(error instanceof DinoSegError) || systemCode(error.cause) !== 'EISDIR') throw error;
    const saved = join(path, 'config.json');
    const own = await stat(saved).then(
      () => `the settings of a run are in ${saved}`,
      () => 'give the path of a YAML or JSON file',
    );
    throw new DinoSegError('FILE_NOT_FOUND', `${path} is a folder: ${own}.`, { cause: error });
  }
}

/** The lines of a key that a YAML document has twice; undefined where it has none. */
function repeatedInYaml(document: Document.Parsed, text: string): RepeatedKey | undefined {
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  let found: RepeatedKey | undefined;
  visit(document, {
    Map(_, { items }) {
      const lines = new Map<string, number>();
      for (const { key } of items) {
        if (!isScalar(key) || !key.range) continue;
        const [name, line] = [String(key.value), lineOf(key.range[0])];
        const before = lines.get(name);
        if (before !== undefined) {
          found = { key: name, lines: [before, line] };
          return visit.BREAK;
        }
        lines.set(name, line);
      }
      return undefined;
    },
  });
  return found;
}

function parseYaml(text: string, path: string): unknown {
  const parsed = parseDeepYaml(text, path);
  if (isTooDeep(parsed)) invalid(path, `cannot be read: ${tooDeepText}.`);
  return parsed;
}

/** The library calls itself for each level. */
function parseDeepYaml(text: string, path: string): unknown {
  try {
    return parsedYaml(text, path);
  } catch (cause) {
    if (cause instanceof RangeError) return invalid(path, `cannot be read: ${tooDeepText}.`, cause);
    throw cause;
  }
}

function parsedYaml(text: string, path: string): unknown {
  const document = parseDocument(text, { logLevel: 'error' });
  const repeated = document.errors.some(({ code }) => code === 'DUPLICATE_KEY')
    ? repeatedInYaml(document, text)
    : undefined;
  if (repeated) throw new DinoSegError('INVALID_ARGUMENT', repeatedText(path, repeated));
  const [error] = document.errors;
  if (error?.code === 'RESOURCE_EXHAUSTION') invalid(path, `cannot be read: ${tooDeepText}.`, error);
  if (error) invalid(path, `is not valid YAML: ${error.message}`, error);
  // An unknown tag, say: the value would be another one than what was written.
  const [warning] = document.warnings;
  if (warning) invalid(path, `contains unsupported YAML: ${warning.message}`);
  try {
    return document.toJS();
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    // The library counts what aliases stand for: a few lines can mean millions of values.
    const reason = cause instanceof Error ? cause.message : String(cause);
    return invalid(
      path,
      `cannot be read: ${reason}. Write the values of aliases (*name) out instead.`,
      cause,
    );
  }
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
