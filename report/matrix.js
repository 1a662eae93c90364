/** Says what the cell of a confusion matrix under the pointer means. */
(() => {
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.confusion'))) {
    const table = /** @type {HTMLTableElement | null} */ (box.querySelector('table.matrix'));
    const readout = /** @type {HTMLElement | null} */ (box.querySelector('.readout'));
    const names = table?.tHead?.rows[0];
    if (!table || !readout || !names) continue;
    readout.hidden = false;
    readout.textContent = 'Point at a cell to read it here.';
    table.addEventListener('pointerover', ({ target }) => {
      const cell =
        target instanceof Element
          ? /** @type {HTMLTableCellElement | null} */ (target.closest('tbody td'))
          : null;
      const row = /** @type {HTMLTableRowElement | null | undefined} */ (cell?.parentElement);
      if (!cell || !row) return;
      const truth = row.cells[0]?.textContent;
      const predicted = names.cells[cell.cellIndex]?.textContent;
      const text = cell.textContent?.trim();
      const share = text ? `${text} %` : 'Less than half a percent';
      readout.textContent =
        truth === predicted
          ? `${share} of the pixels labelled ${truth} are correct.`
          : `${share} of the pixels labelled ${truth} are predicted as ${predicted}.`;
    });
  }
})();
