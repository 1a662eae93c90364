/** What every public function does with arguments and options that it cannot take. */
import { join } from 'node:path';
import t from 'tap';
import * as api from '../lib/index.js';
import { DinoSegError } from '../lib/errors.js';
import { publicCalls, withoutArguments, type PublicCall } from './helpers/public-calls.js';

/** Called by this package alone. */
const internal = ['SegmentationFeatures#on', 'SegmentationModel#outputs'];

const root = t.testdir({ images: {}, labels: {} });
const calls = await publicCalls(root);

type AnyFunction = (...args: never[]) => unknown;

/** Functions of the package's exports and of its classes, by name. */
function publicFunctions(): Map<string, AnyFunction> {
  const found = new Map<string, AnyFunction>();
  const methodsOf = (owner: object, prefix: string) => {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (typeof value === 'function' && name !== 'constructor')
        found.set(`${prefix}${name}`, value as AnyFunction);
  };
  for (const [name, value] of Object.entries(api)) {
    if (typeof value !== 'function') continue;
    if (!/^class\b/.test(Function.prototype.toString.call(value))) {
      found.set(name, value as AnyFunction);
      continue;
    }
    methodsOf(value, `${name}.`);
    methodsOf(value.prototype as object, `${name}#`);
  }
  return found;
}

/** Names of its parameters, as its text has them. */
function parametersOf(value: AnyFunction): string {
  return /\(([^)]*)/.exec(Function.prototype.toString.call(value))![1]!;
}

/** What a call came to: nothing to object to, or the error. */
async function outcome({ call }: PublicCall, args: unknown[]): Promise<unknown> {
  try {
    await call(...(args as never[]));
    return undefined;
  } catch (error) {
    return error;
  }
}

t.test('each function is in the table of calls, those with options with theirs', (t) => {
  const functions = publicFunctions();
  const others = ['new ProgressBar', 'FeatureExtractor#extract', 'DinoSegError.captureStackTrace'];
  t.same(
    [...functions.keys()].filter((name) => ![...withoutArguments, ...internal].includes(name)).sort(),
    Object.keys(calls)
      .filter((name) => !others.includes(name))
      .sort(),
  );
  for (const [name, value] of functions) {
    if (!/\b(options|hooks|columns|choice)\b/.test(parametersOf(value))) continue;
    t.ok(calls[name]?.options, `${name}(${parametersOf(value)})`);
  }
  t.end();
});

t.test('an unknown option is refused with the nearest that is known', async (t) => {
  for (const [name, entry] of Object.entries(calls)) {
    if (!entry.options) continue;
    const [place, option] = entry.options;
    const misspelt = `${option}s`;
    const args = entry.args.map((value, i) =>
      i === place ? { ...(value as object), [misspelt]: 1 } : value,
    );
    const error = await outcome(entry, args);
    t.match(error, { code: 'INVALID_ARGUMENT', message: `Did you mean "${option}"?` }, name);
  }
});

t.test('an option of a wrong kind is refused', async (t) => {
  for (const [name, entry] of Object.entries(calls)) {
    if (!entry.options) continue;
    const [place, option] = entry.options;
    const args = entry.args.map((value, i) =>
      i === place ? { ...(value as object), [option]: Symbol() } : value,
    );
    t.match(await outcome(entry, args), { code: 'INVALID_ARGUMENT', message: option }, name);
  }
});

t.test('whatever is given in place of an argument, what fails is an error of this package', async (t) => {
  // The text may be taken for a file to write.
  const strange = [undefined, null, 1, join(root, 'x'), {}];
  const shown = (value: unknown) => JSON.stringify(value) ?? 'undefined';
  for (const [name, entry] of Object.entries(calls)) {
    const faults: string[] = [];
    const attempt = async (args: unknown[], what: string) => {
      const error = await outcome(entry, args);
      if (error !== undefined && !(error instanceof DinoSegError)) faults.push(`${what}: ${String(error)}`);
    };
    for (const value of strange) {
      const isNothing = value === undefined || JSON.stringify(value) === '{}';
      const left = entry.startsWithout && isNothing ? (entry.options?.[0] ?? 0) : -1;
      for (let place = 0; place < entry.args.length; place++)
        if (place !== left)
          await attempt(entry.args.with(place, value), `${shown(value)} as argument ${place + 1}`);
      if (left !== 0)
        await attempt(
          entry.args.map(() => value),
          `${shown(value)} as all arguments`,
        );
    }
    t.same(faults, [], name);
  }
});
