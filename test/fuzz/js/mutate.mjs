// Makes hostile inputs of good ones. Everything follows from the random stream that is given.

const pick = (list, stream) => list[stream.below(list.length)];

const numbers = [0, 1, 2, 4, 7, 8, 16, 64, 127, 128, 255, 256, 1023, 4096, 0x7fff, 0x8000, 0xffff, 0x10000];
const wide = [0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** Where a range of bytes begins and ends. */
function rangeOf(length, stream, most = 64) {
  const start = stream.below(length + 1);
  return [start, Math.min(length, start + 1 + stream.below(most))];
}

const splice = (bytes, start, end, ...between) =>
  Buffer.concat([bytes.subarray(0, start), ...between, bytes.subarray(end)]);

/** Changes of bytes: (bytes, stream, { tokens, others }) → bytes. */
const byteChanges = [
  (bytes, stream) => {
    if (bytes.length > 0) bytes[stream.below(bytes.length)] ^= 1 << stream.below(8);
    return bytes;
  },
  (bytes, stream) => {
    if (bytes.length > 0) bytes[stream.below(bytes.length)] = stream.below(256);
    return bytes;
  },
  (bytes, stream) => {
    const size = pick([1, 2, 4], stream);
    if (bytes.length < size) return bytes;
    const at = stream.below(bytes.length - size + 1);
    const value = pick(size === 4 ? [...numbers, ...wide] : numbers, stream) % 2 ** (8 * size);
    if (stream.below(2) === 0) bytes.writeUIntLE(value, at, size);
    else bytes.writeUIntBE(value, at, size);
    return bytes;
  },
  (bytes, stream) => splice(bytes, ...rangeOf(bytes.length, stream)),
  (bytes, stream) => bytes.subarray(0, stream.below(bytes.length + 1)),
  (bytes, stream) => {
    const [start, end] = rangeOf(bytes.length, stream);
    return splice(bytes, start, start, ...Array(1 + stream.below(8)).fill(bytes.subarray(start, end)));
  },
  (bytes, stream, { tokens }) => {
    const at = stream.below(bytes.length + 1);
    return splice(bytes, at, at, Buffer.from(pick(tokens, stream), 'latin1'));
  },
  (bytes, stream, { tokens }) => {
    const [start, end] = rangeOf(bytes.length, stream, 12);
    return splice(bytes, start, end, Buffer.from(pick(tokens, stream), 'latin1'));
  },
  (bytes, stream, { others }) => {
    const other = pick(others, stream);
    const [start, end] = rangeOf(other.length, stream, 400);
    return splice(bytes, ...rangeOf(bytes.length, stream), other.subarray(start, end));
  },
];

const anyTokens = [
  '\0',
  '\xff\xff\xff\xff',
  '\n',
  '\r',
  '\t',
  ' ',
  '"',
  '0',
  '-1',
  '1e999',
  '\x1b[31m',
  '\u00ef\u00bb\u00bf',
];

/**
 * Bytes with up to 8 changes.
 *
 * @param tokens texts (Latin-1) that mean something in the format.
 * @param others other good inputs.
 */
export function mutateBytes(bytes, stream, { tokens = [], others = [bytes], most = 1 << 16 } = {}) {
  let result = Buffer.from(bytes);
  const how = { tokens: [...anyTokens, ...tokens], others };
  for (let left = 1 + stream.below(8); left > 0; left--)
    result = pick(byteChanges, stream)(result, stream, how);
  return result.length > most ? result.subarray(0, most) : result;
}

const keys = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'length',
  'name',
  '0',
  '\u0000',
  '\u001b[2J',
  '\ud800',
];

/** Values that a reader may not expect. */
const values = [
  () => null,
  () => true,
  () => false,
  () => 0,
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => -1e308,
  () => '',
  () => 'a',
  () => '\u001b[31mred\u0000\n',
  () => '\ud800',
  () => 'x'.repeat(5000),
  () => '../../../../etc/passwd',
  () => [],
  () => ({}),
  () => [[]],
  () => Array(300).fill(0),
  () => ({ ['__proto__']: 1, constructor: null }),
];

/** A value in lists: far deeper than any file of the package. */
function nested(value, depth) {
  let result = value;
  for (let i = 0; i < depth; i++) result = i % 2 === 0 ? [result] : { a: result };
  return result;
}

/** Every list and object in a value. */
function containersIn(value, found = []) {
  if (typeof value !== 'object' || value === null) return found;
  found.push(value);
  for (const each of Object.values(value)) containersIn(each, found);
  return found;
}

/** Sets a member of its own, whatever its name. */
const setMember = (container, name, value) =>
  Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true });

function changeContainer(container, stream, all) {
  const names = Object.keys(container);
  const isList = Array.isArray(container);
  const name = names.length > 0 ? pick(names, stream) : isList ? '0' : pick(keys, stream);
  const value = Object.hasOwn(container, name) ? container[name] : null;
  const kind = stream.below(8);
  if (kind < 3) setMember(container, name, pick(values, stream)());
  else if (kind === 3) {
    if (isList) container.splice(Number(name), 1);
    else delete container[name];
  } else if (kind === 4) {
    if (isList) container.push(structuredClone(value));
    else setMember(container, pick(keys, stream), value);
  } else if (kind === 5) setMember(container, name, structuredClone(pick(all, stream)));
  else if (kind === 6) setMember(container, name, nested(value, pick([1, 2, 50], stream)));
  else if (typeof value === 'number')
    setMember(container, name, pick([value + 1, -value, value * 1e6, value / 3], stream));
  else setMember(container, name, JSON.stringify(value));
}

/** A copy of what JSON holds with up to 4 changes of its structure. */
export function mutateValue(value, stream) {
  const result = { value: structuredClone(value) };
  for (let left = 1 + stream.below(4); left > 0; left--) {
    const all = containersIn(result);
    // Of the root itself rarely: little is left of an input then.
    const container = stream.below(20) === 0 ? result : pick(all.slice(1), stream);
    changeContainer(container ?? result, stream, all);
  }
  return result.value;
}

const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\u0000',
  '\\ud800',
  'null',
  'true',
  '1e999',
  '-0',
  '"__proto__":',
];

/** JSON with a changed structure, or changed bytes, or deeper nesting than a parser's stack. */
export function mutateJson(bytes, stream, how = {}) {
  const kind = stream.below(40);
  if (kind === 0) {
    const depth = pick([70, 3000, 20_000], stream);
    return Buffer.from(
      stream.below(2) === 0
        ? '['.repeat(depth) + ']'.repeat(depth)
        : '{"a":'.repeat(depth) + '1' + '}'.repeat(depth),
    );
  }
  const text = JSON.stringify(mutateValue(JSON.parse(bytes.toString('utf8')), stream)) ?? 'null';
  if (kind > 8) return Buffer.from(text);
  return mutateBytes(Buffer.from(text), stream, { ...how, tokens: jsonTokens });
}
