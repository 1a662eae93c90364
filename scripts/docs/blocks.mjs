/** The fenced blocks of a Markdown page. */

const fencePattern = /^ {0,3}(`{3,}|~{3,})\s*(.*)$/;
const commentPattern = /^<!--\s*(not run|file):\s*(.+?)\s*-->$/;

/**
 * All fenced blocks, in their order. An HTML comment right above a block says what a check cannot know:
 * `<!-- not run: REASON -->`, or `<!-- file: NAME -->` for a block that stands for a file that later blocks use.
 *
 * @param {string} text of the page
 * @param {string} page its path, for `position`
 * @returns {import('./blocks.mjs').Block[]}
 * @throws Error for a fence that is not closed and a comment without a block
 */
export function blocksOf(text, page) {
  const blocks = [];
  let open;
  let comment;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [, fence, info] = fencePattern.exec(line) ?? [];
    if (open) {
      const closes = fence?.startsWith(open.fence) && info === '';
      if (!closes) open.lines.push(line);
      else {
        const { fence: _, lines, ...block } = open;
        blocks.push({ ...block, text: `${lines.join('\n')}\n` });
        open = undefined;
      }
      continue;
    }
    const [, kind, value] = commentPattern.exec(line.trim()) ?? [];
    if (kind) comment = { kind, value, line: i + 1 };
    else if (fence) {
      const said = comment && (comment.kind === 'file' ? { file: comment.value } : { notRun: comment.value });
      const language = info.trim().split(/\s+/)[0];
      open = { page, line: i + 1, language, ...said, fence, lines: [] };
      comment = undefined;
    } else if (comment && line.trim() !== '')
      throw new Error(`${page}:${comment.line}: no block follows <!-- ${comment.kind}: … -->`);
  }
  if (open) throw new Error(`${page}:${open.line}: the fence ${open.fence} is not closed`);
  return blocks;
}
