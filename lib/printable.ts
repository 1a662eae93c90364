/** Text with names from files on its way to a terminal, a log or a page: control characters become visible, and its length is bounded. */

/**
 * Control characters (C0, DEL, C1), separators of lines and paragraphs, marks that change the direction of what follows, and halves of
 * surrogate pairs: a terminal obeys them, or shows another text than the one that is there.
 */
const unprintable = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

function escapedUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  const hex = (digits: number, of = code) => of.toString(16).toUpperCase().padStart(digits, '0');
  // A byte of a file's name that is not UTF-8 (system-path.ts).
  return code >= 0xdc80 && code <= 0xdcff ? `\\x${hex(2, code - 0xdc00)}` : `\\u${hex(4)}`;
}

/**
 * Text of several lines: all but its line ends is escaped, as `\u001B`. In JSON, whose strings hold no control characters of C0, the
 * result is the same value.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (unit) => (unit === '\n' ? unit : escapedUnit(unit)));
}

/** {@link printable} of what is to stay on one line, such as a name: line ends are escaped too. */
export function oneLine(text: string): string {
  return text.replace(unprintable, escapedUnit);
}

/** The first `most` characters of a text, the last of them `…` where it is longer. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not within a surrogate pair.
  return `${text.slice(0, Math.max(0, most - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Characters of a quoted name in a message; of a word without quotes, such as a path; and of a whole message. */
const [longestName, longestWord, longestMessage] = [200, 4096, 8000];

/** A message for people: {@link printable}, with long names shortened, and without its middle if it is very long. */
export function messageText(text: string): string {
  if (text.length <= longestName) return printable(text);
  const short = text
    .replace(/"([^"\n]*)"/g, (_, name: string) => `"${shortened(name, longestName)}"`)
    .replace(/\S+/g, (word) => shortened(word, longestWord));
  const part = longestMessage / 2;
  const whole = short.length <= longestMessage ? short : `${short.slice(0, part)} … ${short.slice(-part)}`;
  return printable(whole);
}
