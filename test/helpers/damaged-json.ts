/** A real JSON text with one value after the other replaced: by each kind of value, by one nested deep, and by nothing. */

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const mark = '@deep@';
const depth = 20_000;
const deep = '['.repeat(depth) + ']'.repeat(depth);

const replacements: Json[] = [null, -1.5, 7, 1e15, 'text', '', [], {}, [null], { a: 1 }, true, mark];

function* variantsOf(value: Json, place: string): Generator<[place: string, variant: Json]> {
  for (const other of replacements)
    if (JSON.stringify(other) !== JSON.stringify(value)) yield [`${place} → ${JSON.stringify(other)}`, other];
  if (typeof value !== 'object' || value === null) return;
  const names: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  for (const name of names) {
    const without = (Array.isArray(value) ? value.toSpliced(name as number, 1) : { ...value }) as Record<
      string,
      Json
    >;
    if (!Array.isArray(value)) delete without[name];
    yield [`${place}.${name} deleted`, without];
    for (const [where, variant] of variantsOf((value as Record<string, Json>)[name]!, `${place}.${name}`)) {
      const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, Json>;
      copy[name] = variant;
      yield [where, copy];
    }
  }
}

/** The texts, each with the place that is damaged. */
export function* damagedTexts(text: string): Generator<[place: string, text: string]> {
  for (const [place, variant] of variantsOf(JSON.parse(text) as Json, 'it'))
    yield [place, JSON.stringify(variant).replaceAll(`"${mark}"`, deep)];
}
