/** Tables that are sorted by a click on a heading; long ones get a field to filter their rows. */
(() => {
  /** Rows from which on a table gets the field. */
  const long = 25;

  /** @param {HTMLTableRowElement} row @param {number} column */
  function keyOf(row, column) {
    const cell = row.cells[column];
    return cell?.dataset['sort'] ?? cell?.textContent ?? '';
  }

  /** Numbers by value, text by the alphabet; empty cells come last, whichever way it is sorted.
   * @param {string} a @param {string} b @param {number} direction */
  function compare(a, b, direction) {
    if (a === '' || b === '') return Number(a === '') - Number(b === '');
    const [x, y] = [Number(a), Number(b)];
    return direction * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
  }

  /** @param {HTMLTableElement} table */
  function makeSortable(table) {
    const body = table.tBodies[0];
    const headings = [...(table.tHead?.rows[0]?.cells ?? [])];
    if (!body) return;
    headings.forEach((heading, column) => {
      if (heading.classList.contains('drawing')) return;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener('click', () => {
        const before = heading.getAttribute('aria-sort');
        // Figures are mostly wanted largest first.
        const first = heading.classList.contains('number') ? 'descending' : 'ascending';
        const other = first === 'ascending' ? 'descending' : 'ascending';
        const order = before === first ? other : first;
        headings.forEach((each) => each.removeAttribute('aria-sort'));
        heading.setAttribute('aria-sort', order);
        const direction = order === 'ascending' ? 1 : -1;
        const rows = [...body.rows];
        rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column), direction));
        body.append(...rows);
      });
    });
  }

  /** @param {HTMLTableElement} table */
  function addFilter(table) {
    const body = table.tBodies[0];
    const box = table.closest('.scroll');
    if (!body || !box || body.rows.length < long) return;
    const label = document.createElement('label');
    label.className = 'filter';
    const input = document.createElement('input');
    input.type = 'search';
    const shown = document.createElement('output');
    label.append('Filter rows ', input, ' ', shown);
    input.addEventListener('input', () => {
      const wanted = input.value.trim().toLowerCase();
      let left = 0;
      for (const row of body.rows) {
        row.hidden = !(row.cells[0]?.textContent ?? '').toLowerCase().includes(wanted);
        if (!row.hidden) left++;
      }
      shown.value = wanted === '' ? '' : `${left} of ${body.rows.length}`;
    });
    box.before(label);
  }

  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (
    document.querySelectorAll('table.sortable')
  )) {
    makeSortable(table);
    addFilter(table);
  }
})();
