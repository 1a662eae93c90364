/** HTML templates that escape their values, such as file names and class names. */
import { printable } from '../../printable.js';

/** Markup that needs no escaping; made by {@link markup} and {@link trusted}. */
export class Markup {
  constructor(readonly text: string) {}
}

/** Values of a template: markup is inserted unchanged, text and numbers escaped, lists item by item, null and false as nothing. */
export type MarkupValue = Markup | string | number | null | undefined | false | readonly MarkupValue[];

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for use between tags and in quoted attributes, control characters included. */
export function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

function textOf(value: MarkupValue): string {
  if (value instanceof Markup) return value.text;
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value));
  return value.map(textOf).join('');
}

/** A template that escapes its values. Attributes in it must be quoted. */
export function markup(strings: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  return new Markup(strings.reduce((all, text, i) => all + textOf(values[i - 1]) + text));
}

/** Only for files of this package, such as its scripts; never for text from a user or a file. */
export function trusted(text: string): Markup {
  return new Markup(text);
}
