/** The text of a Markdown page besides its blocks: links, headings, inline code. */

/** The page without its fenced blocks. */
export function proseOf(text) {
  return text.replaceAll(/^ {0,3}(`{3,}|~{3,})[^]*?^ {0,3}\1[ \t]*$/gm, '');
}

/** What stands between backticks, a line's end as a blank. */
export function inlineCode(prose) {
  return [...prose.matchAll(/(`+)([^`]|[^`][^]*?[^`])\1(?!`)/g)].map(([, , code]) =>
    code.replaceAll(/\s*\n\s*/g, ' '),
  );
}

/** Where links and pictures lead. */
export function linksOf(prose) {
  return [...prose.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)].map(
    ([, target]) => target,
  );
}

/** The anchors of a page's headings, as GitHub names them. */
export function headingIds(text) {
  const ids = new Set();
  for (const [, heading] of proseOf(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '');
    const id = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-');
    let unique = id;
    for (let n = 1; ids.has(unique); n++) unique = `${id}-${n}`;
    ids.add(unique);
  }
  return ids;
}
