/** The viewer of a report's examples: two layers of a picture with a divider between them, and classes to show and hide. */
/* global readLayers, paintLayer, describeAt */
(() => {
  /** @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
   * @returns {HTMLElementTagNameMap[K]} */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** @param {HTMLElement} box */
  function makeViewer(box) {
    const articles = /** @type {HTMLElement[]} */ ([...box.querySelectorAll('article')]);
    const legend = /** @type {HTMLElement | null} */ (box.querySelector('.legend'));
    const [first] = articles;
    if (!first) return;

    /** @type {Look} */
    const look = { colors: new Map(), names: new Map(), hidden: new Set(), opacity: 0.75 };
    /** @type {Map<HTMLElement, Promise<Picture>>} */
    const read = new Map();
    /** @type {Picture | undefined} */
    let picture;
    let current = first;

    const title = make('h3', { 'aria-live': 'polite' });
    const order = orderOf(articles);
    const caption = make('p', { class: 'caption' });
    const [left, right] = [make('select'), make('select')];
    const opacity = make('input', { type: 'range', min: '0', max: '100', value: '75' });
    const [below, above] = [make('canvas'), make('canvas', { class: 'above' })];
    const divider = make('div', { class: 'divider' });
    const stage = make('div', { class: 'stage', role: 'img' }, below, above, divider);
    const slider = make('input', { type: 'range', min: '0', max: '100', value: '50', step: '1' });
    const frame = make(
      'div',
      { class: 'frame' },
      stage,
      make('label', { class: 'slide' }, make('span', {}, 'Divider'), slider),
    );
    const readout = make('p', { class: 'readout' }, 'Point at the picture to read its classes here.');
    const thumbnails = make('div', { class: 'thumbnails', role: 'group', 'aria-label': 'Images' });

    function place() {
      const share = Number(slider.value);
      above.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
      divider.style.left = `${share}%`;
      slider.setAttribute('aria-valuetext', `${left.value} ${share} %, ${right.value} ${100 - share} %`);
    }

    function paint() {
      if (!picture) return;
      const { layers } = picture;
      const find = (/** @type {string} */ name) => layers.find((layer) => layer.name === name) ?? layers[0];
      const [one, two] = [find(left.value), find(right.value)];
      if (one) paintLayer(above, picture, one, look);
      if (two) paintLayer(below, picture, two, look);
      stage.setAttribute(
        'aria-label',
        `${current.dataset['name']}: ${left.value} on the left, ${right.value} on the right. ${altOf(left.value)} ${altOf(right.value)}`,
      );
      place();
    }

    /** The text that a plain picture has for those who do not see it. @param {string} name */
    function altOf(name) {
      const figures = /** @type {HTMLElement[]} */ ([...current.querySelectorAll('figure')]);
      return figures.find((figure) => figure.dataset['name'] === name)?.querySelector('img')?.alt ?? '';
    }

    /** Keeps what was chosen where the image has it. @param {HTMLSelectElement} select @param {string[]} names @param {number} fallback */
    function fill(select, names, fallback) {
      const before = select.value;
      select.replaceChildren(...names.map((name) => make('option', { value: name }, name)));
      select.value = names.includes(before) ? before : (names[fallback] ?? names[0] ?? '');
    }

    /** @param {HTMLElement} article */
    async function show(article) {
      current = article;
      let reading = read.get(article);
      if (!reading) read.set(article, (reading = readLayers(article)));
      const found = await reading;
      if (current !== article) return;
      picture = found;
      title.textContent = article.dataset['name'] ?? '';
      caption.textContent = article.querySelector('p')?.textContent ?? '';
      const names = found.layers.map(({ name }) => name);
      frame.style.setProperty('--ratio', String(found.width / found.height));
      viewer.classList.toggle('single', names.length < 2);
      // An image alone must not change what is shown of the next one.
      if (names.length > 1) {
        fill(left, names, 0);
        fill(right, names, 1);
      }
      for (const [each, button] of buttons) button.setAttribute('aria-pressed', String(each === article));
      paint();
      box.dataset['ready'] = 'true';
    }

    /** @param {PointerEvent} event */
    function drag(event) {
      const { left: start, width } = stage.getBoundingClientRect();
      slider.value = String(Math.round((100 * (event.clientX - start)) / width));
      place();
    }
    stage.addEventListener('pointerdown', (event) => {
      stage.setPointerCapture(event.pointerId);
      drag(event);
    });
    stage.addEventListener('pointermove', (event) => {
      if (stage.hasPointerCapture(event.pointerId)) drag(event);
      if (!picture) return;
      const area = stage.getBoundingClientRect();
      const x = Math.floor(((event.clientX - area.left) / area.width) * picture.width);
      const y = Math.floor(((event.clientY - area.top) / area.height) * picture.height);
      if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return;
      readout.textContent = describeAt(picture, look, x, y) || '\u00a0';
    });
    slider.addEventListener('input', place);
    left.addEventListener('change', paint);
    right.addEventListener('change', paint);
    opacity.addEventListener('input', () => {
      look.opacity = Number(opacity.value) / 100;
      paint();
    });

    /** @type {Map<HTMLElement, HTMLElement>} */
    const buttons = new Map();
    for (const article of articles) {
      const source = article.querySelector('img')?.src ?? '';
      const { name = '', iou } = article.dataset;
      const button = make(
        'button',
        { type: 'button', 'aria-pressed': 'false' },
        make('img', { src: source, alt: name }),
        ...(order && iou !== undefined ? [make('span', {}, `IoU ${(100 * Number(iou)).toFixed(0)} %`)] : []),
      );
      button.addEventListener('click', () => void show(article));
      buttons.set(article, button);
    }
    const arrange = () => {
      for (const article of inOrder(articles, order?.value)) thumbnails.append(buttons.get(article) ?? '');
    };
    arrange();
    order?.addEventListener('change', () => {
      arrange();
      const [shown] = inOrder(articles, order.value);
      if (shown) void show(shown);
    });

    const several = articles.length > 1;
    const choices = make(
      'div',
      { class: 'choices' },
      make('label', {}, 'Left ', left),
      make('label', {}, 'Right ', right),
    );
    const side = make(
      'div',
      { class: 'side' },
      title,
      caption,
      ...(legend ? [readout, make('label', { class: 'opacity' }, 'Opacity ', opacity)] : []),
      ...(several && order ? [make('label', { class: 'order' }, 'Order ', order)] : []),
      ...(several ? [thumbnails] : []),
    );
    const viewer = make('div', { class: 'viewer' }, choices, frame, side);
    box.prepend(viewer);
    if (legend) makeToggles(legend, look, paint);
    // The plain pictures stay for print.
    box.classList.add('live');
    void show(first);
  }

  /** Lets a reader choose which images come first; undefined where there are no IoU to go by.
   * @param {HTMLElement[]} articles in the order that the report has. */
  function orderOf(articles) {
    const ious = articles.flatMap(({ dataset }) =>
      dataset['iou'] === undefined ? [] : [Number(dataset['iou'])],
    );
    const [first, last] = [ious[0], ious.at(-1)];
    if (first === undefined || last === undefined || ious.length < 2) return undefined;
    const select = make(
      'select',
      {},
      make('option', { value: 'lowest' }, 'lowest IoU first'),
      make('option', { value: 'highest' }, 'highest IoU first'),
    );
    select.value = first > last ? 'highest' : 'lowest';
    return select;
  }

  /** Images without an IoU come last. @param {HTMLElement[]} articles @param {string} [order] */
  function inOrder(articles, order) {
    if (order === undefined) return articles;
    const direction = order === 'lowest' ? 1 : -1;
    const keyOf = (/** @type {HTMLElement} */ { dataset }) =>
      dataset['iou'] === undefined ? Infinity : direction * Number(dataset['iou']);
    return [...articles].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : Number(keyOf(a) > keyOf(b))));
  }

  /** Makes a checkbox of each class of the legend.
   * @param {HTMLElement} legend @param {Look} look @param {() => void} changed */
  function makeToggles(legend, look, changed) {
    const entries = /** @type {HTMLElement[]} */ ([...legend.children]);
    if (entries.length === 0) return;
    const boxes = entries.map((entry) => {
      const index = Number(entry.dataset['index']);
      look.colors.set(index, (entry.dataset['color'] ?? '').split(',').map(Number));
      look.names.set(index, entry.textContent ?? '');
      const input = make('input', { type: 'checkbox' });
      input.checked = true;
      input.addEventListener('change', () => {
        if (input.checked) look.hidden.delete(index);
        else look.hidden.add(index);
        changed();
      });
      const label = make('label', {}, input, ...entry.childNodes);
      entry.replaceChildren(label);
      return { index, input };
    });
    const all = (/** @type {boolean} */ shown) => {
      look.hidden = new Set(shown ? [] : boxes.map(({ index }) => index));
      for (const { input } of boxes) input.checked = shown;
      changed();
    };
    const [showAll, hideAll] = [
      make('button', { type: 'button' }, 'Show all'),
      make('button', { type: 'button' }, 'Hide all'),
    ];
    showAll.addEventListener('click', () => all(true));
    hideAll.addEventListener('click', () => all(false));
    const group = make('fieldset', { class: 'toggles' }, make('legend', {}, 'Classes'), showAll, hideAll);
    legend.replaceWith(group);
    group.append(legend);
  }

  // Older browsers keep the plain pictures.
  if (typeof DecompressionStream === 'undefined') return;
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.examples')))
    makeViewer(box);
})();
