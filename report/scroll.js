/** Says of a table what of it is not seen, and in which direction it is. */
(() => {
  /** Tables of more rows are folded into a box that scrolls; shorter ones show all of them. */
  const most = 40;

  /** @param {number} count @param {string} what */
  const counted = (count, what) => `${count} more ${what}${count === 1 ? '' : 's'}`;

  /** @param {HTMLElement} box @param {HTMLTableElement} table */
  function addSign(box, table) {
    const sign = document.createElement('p');
    sign.className = 'more';
    // Screen readers read the whole table.
    sign.setAttribute('aria-hidden', 'true');
    box.before(sign);
    const update = () => {
      const area = box.getBoundingClientRect();
      const [right, bottom] = [area.left + box.clientWidth, area.top + box.clientHeight];
      const rows = [...(table.tBodies[0]?.rows ?? [])].filter(({ hidden }) => !hidden);
      const columns = [...(table.tHead?.rows[0]?.cells ?? [])];
      const rects = (/** @type {HTMLElement[]} */ elements) =>
        elements.map((each) => each.getBoundingClientRect());
      const top = table.tHead?.getBoundingClientRect().height ?? 0;
      const hidden = {
        below: rects(rows).filter((row) => row.bottom > bottom + 2).length,
        above: rects(rows).filter((row) => row.bottom < area.top + top).length,
        right: rects(columns).filter((column) => column.right > right + 2).length,
      };
      const told = [
        ...(hidden.below > 0 ? [`${counted(hidden.below, 'row')} below ↓`] : []),
        ...(hidden.above > 0 ? [`${counted(hidden.above, 'row')} above ↑`] : []),
        ...(hidden.right > 0 ? [`${counted(hidden.right, 'column')} to the right →`] : []),
      ];
      box.dataset['more'] = Object.entries(hidden)
        .flatMap(([side, count]) => (count > 0 ? [side] : []))
        .join(' ');
      // A table that moves only to the left keeps its line, so that it does not jump.
      sign.textContent = told.length > 0 ? `Scroll the table: ${told.join(', ')}` : '\u00a0';
      sign.hidden = box.scrollWidth <= box.clientWidth + 2 && box.scrollHeight <= box.clientHeight + 2;
    };
    if ((table.tBodies[0]?.rows.length ?? 0) > most) box.classList.add('long');
    box.addEventListener('scroll', update, { passive: true });
    const observer = new ResizeObserver(update);
    observer.observe(box);
    observer.observe(table);
  }

  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.scroll'))) {
    const table = box.querySelector('table');
    if (table) addSign(box, table);
  }
})();
