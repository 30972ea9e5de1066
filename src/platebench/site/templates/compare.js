// Compare: every store and operation in one table. src/platebench/site/compare.py describes the data
// and writes the first view, which this script shows in the same way. Chips choose image set, cache
// and unit, and narrow the stores down. A chip that would leave no store is disabled.
"use strict";

(() => {
  const SINGLE = ["images", "cache", "show"];
  const FACETS = ["tuning", "versions", "format", "layout"];
  const RATES = ["mb", "images"];
  const NOTHING = "No store of the other choices was measured with this";

  /** Set up the table. `page` has what page.js shares: figure, element, chosenFor, keepInAddress. */
  function setUp({ figure, element, chosenFor, keepInAddress }) {
    const byId = (id) => document.getElementById(id);
    const data = JSON.parse(byId("compare-data").textContent);
    const table = byId("compare-table");
    const [head, body] = [table.tHead.rows[0], table.tBodies[0]];
    const chips = [...document.querySelectorAll("#compare-chips button")];
    const reset = byId("compare-reset");
    const titles = new Map(chips.map((chip) => [chip, chip.title]));
    const start = Object.fromEntries(SINGLE.map((group) => [group,
      chips.find(({ dataset, ariaPressed }) => dataset.group === group && ariaPressed === "true").dataset.value]));

    // The data by names

    const columns = data.columns.map(([key, words, detail, says, caches]) => ({ key, words, detail, says, caches }));
    const stores = data.stores.map(([code, name, native], number) => {
      const [format, layout, tuning] = code.split(":");
      return { number, code, name, format, layout, tuning, versions: native ? "native" : "list" };
    });
    const sets = new Map(data.sets.map(([name, words, generated], place) => [name, { words, generated, place }]));
    const once = new Set(data.once.map(String));
    const tables = data.tables.map(([set, column, images, bytes, given]) => {
      const cells = new Map(given.map((each, place) => [each[0], cellOf(each, place, images, bytes)]));
      const ranked = [...cells.values()].filter((cell) => cell.rank);
      return { set, column: columns[column], number: column, cells, ranked, best: Math.min(...ranked.map((cell) => cell.pace)) };
    });
    const sizes = data.sizes.map((given) => {
      const found = new Map(given.map(([store, ratio, files]) => [store, { ratio, files }]));
      return { found, least: Math.min(...[...found.values()].map(({ ratio }) => ratio || Infinity)) };
    });

    function cellOf(given, place, images, bytes) {
      if (typeof given[1] === "string") return { status: given[1], reason: data.reasons[given[2]] };
      const [, rank, ms, floor, floorReach, tiff, tiffReach, q25, q75, cpu, peak, samples, rounds] = given;
      const [ownImages, ownBytes] = given.length > 13 ? given.slice(13) : [images, bytes];
      const rate = (amount) => (amount ? (1000 * amount) / ms : null);
      return {
        status: "ok", place, rank: Math.abs(rank), tied: rank < 0, q25, q75, cpu, peak, samples, rounds,
        values: { ms, floor, tiff, mb: rate(ownBytes / 1e6), images: rate(ownImages) },
        reaches: { floor: floorReach, tiff: tiffReach },
        pace: floor ?? ms, // what a bar shows
      };
    }

    // What is shown

    let state = null;

    const isFloor = ({ number }) => number === data.floor;
    const isIn = (chosen, store) =>
      isFloor(store) || FACETS.every((group) => !chosen[group].size || chosen[group].has(store[group]));
    const tablesOf = ({ images, cache }) =>
      tables.filter(({ set, column }) => set === sets.get(images).place && column.caches.includes(cache))
        .sort((one, other) => one.number - other.number);
    const storesOf = (chosen) => {
      const shown = tablesOf(chosen);
      return stores.filter((store) => isIn(chosen, store) && shown.some(({ cells }) => cells.has(store.number)));
    };
    const countOf = (rows) => rows.filter((store) => !isFloor(store)).length;

    /** The state after a chip is pressed. */
    function after(group, value) {
      if (SINGLE.includes(group)) return { ...state, [group]: value };
      const chosen = new Set(state[group]);
      if (!chosen.delete(value)) chosen.add(value);
      return { ...state, [group]: chosen };
    }

    function isOpen(chip) {
      const { group, value } = chip.dataset;
      if (group === "show") return tablesOf(state).some(({ ranked }) => ranked.some((cell) => cell.values[value] !== null));
      const next = after(group, value);
      if (FACETS.includes(group) && next[group].has(value)) next[group] = new Set([value]);
      return countOf(storesOf(next)) > 0;
    }

    function showChips() {
      for (const chip of chips) {
        const { group, value } = chip.dataset;
        const pressed = SINGLE.includes(group) ? state[group] === value : state[group].has(value);
        chip.setAttribute("aria-pressed", String(pressed));
        const open = isOpen(chip);
        chip.setAttribute("aria-disabled", String(!open)); // not `disabled`: it can be reached, and says why
        chip.title = open ? titles.get(chip) : NOTHING;
      }
      const view = viewOf(state).toString();
      for (const link of document.querySelectorAll("#compare-chips [data-place]")) {
        link.hash = `compare${view ? `?${view}` : ""}`;
      }
      reset.hidden = !view;
    }

    /** Columns with a figure or a reason in the shown rows. */
    function shownTables(rows) {
      const says = (cell) => cell && (cell.status !== "ok" || cell.values[state.show] !== null);
      const every = tablesOf(state);
      const shown = every.filter(({ cells }) => rows.some(({ number }) => says(cells.get(number))));
      return [shown, every.length - shown.length];
    }

    function sorted(rows, shown) {
      const by = shown.find(({ column }) => column.key === state.sort) ?? shown[0];
      const size = sizes[sets.get(state.images).place].found;
      const value = {
        store: ({ number }) => number,
        size: ({ number }) => size.get(number)?.ratio,
        files: ({ number }) => size.get(number)?.files,
      }[state.sort] ?? (({ number }) => by?.cells.get(number)?.place);
      const way = state.order === "descending" ? -1 : 1;
      return [...rows].sort((one, other) => {
        const [a, b] = [value(one) ?? null, value(other) ?? null];
        if (a === null || b === null) return (a === null) - (b === null) || one.number - other.number;
        return way * (a - b) || one.number - other.number;
      });
    }

    function showTable() {
      const rows = storesOf(state);
      const [shown, hidden] = shownTables(rows);
      const focused = table.contains(document.activeElement) ? document.activeElement : null;
      const where = focused && { key: focused.closest("th, td").dataset.key, store: focused.closest("tr").dataset.store };
      showHead(shown);
      const size = sizes[sets.get(state.images).place];
      body.replaceChildren(...sorted(rows, shown).map((store) => rowOf(store, shown, size)));
      const lines = [`${countOf(rows)} of ${countOf(stores)} stores`];
      const unit = chips.find(({ dataset }) => dataset.group === "show" && dataset.value === state.show).textContent;
      if (hidden) lines.push(`${hidden} of ${hidden + shown.length} operations have no figure in ${unit}`);
        byId("compare-count").textContent = lines.join("; ");
      const first = cellAt(state.cell) ?? body.querySelector("td");
      if (first) first.tabIndex = 0;
      if (cellAt(state.cell)) openCell(cellAt(state.cell));
      if (!where) return;
      if (where.store) cellAt(where)?.focus();
      else head.querySelector(`th[data-key="${CSS.escape(where.key)}"] button`)?.focus();
    }

    function showHead(shown) {
      const fixed = [...head.cells].slice(0, 3);
      const by = shown.some(({ column }) => column.key === state.sort) || ["store", "size", "files"].includes(state.sort)
        ? state.sort : shown[0]?.column.key;
      const made = shown.map(({ column }) => {
        const small = column.detail ? [" ", element("small", column.detail)] : [];
        return element("th", element("button", [column.words, ...small], { type: "button" }),
          { scope: "col", "data-key": column.key, title: column.says });
      });
      head.replaceChildren(...fixed, ...made);
      for (const each of head.cells) {
        each.removeAttribute("aria-sort");
        if (each.dataset.key !== by) continue;
        // The fastest are first: as times these ascend, as rates they descend.
        const turned = RATES.includes(state.show) && !fixed.includes(each);
        each.setAttribute("aria-sort", (state.order === "descending") === turned ? "ascending" : "descending");
      }
    }

    function rowOf(store, shown, size) {
      const name = element("th", [`${store.name} `, element("code", store.code)], { scope: "row" });
      const cells = shown.map(({ column, number, cells: every, best }) =>
        figureCell(store, column, every.get(store.number), best, once.has(`${store.number},${number}`)));
      return element("tr", [name, ...sizeCells(store, size), ...cells], { "data-store": store.code });
    }

    function plainCell(text, key, kind) {
      return element("td", text, { "data-kind": kind, "data-key": key, tabindex: -1 });
    }

    function withBar(cell, bar, shade) {
      cell.dataset.shade = shade;
      cell.style.setProperty("--bar", `${Math.min(100, Math.round(100 * bar))}%`);
      return cell;
    }

    const shadeOf = (ratio) => String(data.shades.filter((limit) => ratio > limit).length + 1);

    function sizeCells(store, { found, least }) {
      const { ratio, files } = found.get(store.number) ?? {};
      const bytes = ratio
        ? withBar(plainCell(figure(ratio), "size", "figure"), least / ratio,
          ratio <= least * (1 + data.tie) ? "best" : shadeOf(ratio / least))
        : plainCell("", "size", "none");
      const hasFiles = files !== null && files !== undefined;
      return [bytes, plainCell(hasFiles ? files.toLocaleString("en") : "", "files", hasFiles ? "figure" : "none")];
    }

    function figureCell(store, column, cell, best, isOnce) {
      if (!cell) return isOnce ? plainCell("as bare file", column.key, "once") : plainCell("", column.key, "none");
      if (cell.status !== "ok") return plainCell(cell.status, column.key, cell.status);
      const value = cell.values[state.show];
      const reach = cell.reaches[state.show];
      const made = plainCell(value === null ? "" : figure(value), column.key, "figure");
      if (reach) made.append(" ", element("small", `±${reach}%`));
      const ratio = Number.isFinite(best) ? cell.pace / best : 1;
      return withBar(made, 1 / ratio, !cell.rank ? "floor" : cell.rank === 1 ? "best" : shadeOf(ratio));
    }

    // One cell, on demand

    function cellAt(where) {
      const row = where && [...body.rows].find(({ dataset }) => dataset.store === where.store);
      return row && [...row.cells].find(({ dataset }) => dataset.key === where.key);
    }

    const placeOf = (cell) => ({ store: cell.closest("tr").dataset.store, key: cell.dataset.key });

    function closeCell() {
      body.querySelector("tr.detail")?.remove();
      body.querySelector("[aria-expanded]")?.removeAttribute("aria-expanded");
    }

    function openCell(cell) {
      closeCell();
      const { store: code, key } = placeOf(cell);
      const inside = element("div", detailOf(stores.find((store) => store.code === code), key));
      const row = element("tr", element("td", inside, { colspan: head.cells.length }), { class: "detail" });
      cell.closest("tr").after(row);
      cell.setAttribute("aria-expanded", "true");
    }

    function toggle(cell) {
      const isShown = cell.ariaExpanded === "true";
      state.cell = isShown || ["size", "files"].includes(cell.dataset.key) ? null : placeOf(cell);
      if (state.cell) openCell(cell);
      else closeCell();
      move(cell);
      keep();
    }

    function detailOf(store, key) {
      const each = tablesOf(state).find(({ column }) => column.key === key);
      const cell = each.cells.get(store.number);
      const detail = each.column.detail ? ` (${each.column.detail})` : "";
      const title = element("p", [element("strong", store.name), ` ${each.column.says}${detail}, ${sets.get(state.images).words}`]);
      return [title, saysOf(store, each, cell), again(store, each, cell)];
    }

    function saysOf(store, each, cell) {
      if (!cell) {
        const isOnce = once.has(`${store.number},${each.number}`);
        return element("p", isOnce
          ? "With platebench's part list this is the same for every format. It is measured on the bare file."
          : "Not measured in this run.");
      }
      if (cell.status !== "ok") return element("p", `${cell.status}: ${cell.reason || "no reason was recorded"}`);
      const list = element("dl");
      const line = (name, text) => text && list.append(element("div", [element("dt", name), element("dd", text)]));
      const { ms, mb, images } = cell.values;
      line("Median", `${figure(ms)} ms${cell.samples > 1 && cell.q25 !== null ? ` (quartiles ${figure(cell.q25)} to ${figure(cell.q75)})` : ""}`);
      line("Rate", [images && `${figure(images)} images/s`, mb && `${figure(mb)} MB/s`].filter(Boolean).join(", "));
      for (const [unit, name] of [["floor", "× bare file"], ["tiff", "× TIFF folder"]]) {
        const reach = cell.reaches[unit] ? ` ±${cell.reaches[unit]}%` : "";
        if (cell.values[unit] !== null) line(name, `${figure(cell.values[unit])}${reach}`);
      }
      line("Rank", rankOf(store, each, cell));
      line("CPU time", cell.cpu !== null && `${figure(cell.cpu)} ms`);
      line("Peak memory", cell.peak !== null && `${figure(cell.peak)} MB`);
      line("Samples", `${cell.samples} in ${cell.rounds} ${cell.rounds === 1 ? "round" : "rounds"}, measured`);
      return list;
    }

    function rankOf(store, { cells, ranked }, cell) {
      if (!cell.rank) return "none: it is what others are compared with";
      const ties = [...cells].filter(([number, other]) => other.rank === cell.rank && number !== store.number);
      const names = ties.map(([number]) => stores[number].name).join("; ");
      return `${cell.rank} of ${ranked.length}${cell.tied ? `, in a tie with ${names}` : ""}`;
    }

    /** The command that measures a cell, with a button that copies it. */
    function again(store, { column }, cell) {
      const images = sets.get(state.images).generated ? state.images : "DIR";
      const measured = once.has(`${store.number},${columns.indexOf(column)}`) ? stores[data.floor] ?? store : store;
      const operation = column.key.includes(" ") ? `'${column.key}'` : column.key;
      const command = `platebench run --images ${images} --stores ${measured.code} --operations ${operation} --rounds ${cell?.rounds ?? 6} --all`;
      const code = element("code", command);
      const button = element("button", "Copy", { type: "button" });
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(command);
          button.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(code);
          button.textContent = "Selected: press Ctrl-C";
        }
      });
      return element("p", [cell ? "Show this cell again: " : "Measure this cell: ", code, " ", button], { class: "again" });
    }

    // The keyboard: one cell of the table can be reached by Tab, the others by arrows

    function move(cell) {
      for (const each of body.querySelectorAll("td[tabindex='0']")) each.tabIndex = -1;
      cell.tabIndex = 0;
      cell.focus();
    }

    function onKey(event) {
      const cell = event.target.closest("td[data-key]");
      if (!cell || event.target !== cell) {
        if (event.key === "Escape" && event.target.closest("tr.detail")) closeAndReturn();
        return;
      }
      const rows = [...body.rows].filter((row) => row.dataset.store);
      const row = cell.closest("tr");
      const [x, y] = [cell.cellIndex, rows.indexOf(row)];
      const to = {
        ArrowLeft: [Math.max(1, x - 1), y], ArrowRight: [x + 1, y], ArrowUp: [x, y - 1], ArrowDown: [x, y + 1],
        Home: [1, y], End: [row.cells.length - 1, y],
      }[event.key];
      if (to) {
        const next = rows[to[1]]?.cells[to[0]];
        if (next) move(next);
      } else if (event.key === "Enter" || event.key === " ") toggle(cell);
      else if (event.key === "Escape") closeAndReturn();
      else return;
      event.preventDefault();
    }

    function closeAndReturn() {
      const cell = cellAt(state.cell);
      state.cell = null;
      closeCell();
      if (cell) move(cell);
      keep();
    }

    // The address

    function viewOf(shown) {
      const view = new URLSearchParams();
      for (const group of SINGLE) if (shown[group] !== start[group]) view.set(group, shown[group]);
      for (const group of FACETS) if (shown[group].size) view.set(group, [...shown[group]].join(","));
      if (shown.sort) view.set("sort", shown.sort);
      if (shown.order === "descending") view.set("order", shown.order);
      if (shown.cell) view.set("cell", `${shown.cell.store} ${shown.cell.key}`);
      return view;
    }

    function keep() {
      keepInAddress("compare", viewOf(state));
      reset.hidden = !viewOf(state).toString();
    }

    function show() {
      showChips();
      showTable();
    }

    function takeUp() {
      const view = chosenFor("compare");
      const offered = (group) => chips.filter(({ dataset }) => dataset.group === group).map(({ dataset }) => dataset.value);
      const [code, ...key] = (view.get("cell") ?? "").split(" ");
      state = { sort: view.get("sort"), order: view.get("order"), cell: code ? { store: code, key: key.join(" ") } : null };
      for (const group of SINGLE) state[group] = offered(group).includes(view.get(group)) ? view.get(group) : start[group];
      for (const group of FACETS) {
        state[group] = new Set((view.get(group) ?? "").split(",").filter((value) => offered(group).includes(value)));
      }
      if (!countOf(storesOf(state))) for (const group of FACETS) state[group] = new Set();
      if (!countOf(storesOf(state))) Object.assign(state, start);
      show();
    }

    for (const chip of chips) {
      chip.addEventListener("click", () => {
        if (chip.ariaDisabled === "true") return;
        state = { ...after(chip.dataset.group, chip.dataset.value), cell: null };
        show();
        keep();
      });
    }
    head.addEventListener("click", (event) => {
      const key = event.target.closest("button")?.closest("th").dataset.key;
      if (!key) return;
      const same = head.querySelector("[aria-sort]")?.dataset.key === key;
      state = { ...state, sort: key, order: same && state.order !== "descending" ? "descending" : null };
      show();
      keep();
    });
    body.addEventListener("click", (event) => {
      const cell = event.target.closest("td[data-key]");
      if (cell) toggle(cell);
    });
    body.addEventListener("keydown", onKey);
    reset.addEventListener("click", () => {
      keepInAddress("compare", new URLSearchParams());
      takeUp();
      byId("compare-chips").querySelector("button").focus();
    });
    takeUp();
    return takeUp;
  }

  window.compare = { setUp };
})();
