/** HTML put together so that what comes from outside (file names, class names) stays text. */

/** Markup that may stand in a page as it is; {@link markup} and {@link trusted} make it. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What a template takes: markup as it is, text and numbers escaped, lists item by item, nothing for null and false. */
export type MarkupValue = Markup | string | number | null | undefined | false | readonly MarkupValue[];

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand between tags and in quoted attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function textOf(value: MarkupValue): string {
  if (value instanceof Markup) return value.text;
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value));
  return value.map(textOf).join('');
}

/** A template whose values are escaped. Attributes must be quoted in it. */
export function markup(strings: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  return new Markup(strings.reduce((all, text, i) => all + textOf(values[i - 1]) + text));
}

/** For what this package itself ships, such as its scripts; never for anything that a user or a file gave. */
export function trusted(text: string): Markup {
  return new Markup(text);
}
