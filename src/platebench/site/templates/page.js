// The page is readable without this script. The script sorts and filters the table.
// The address of the page keeps all choices, for sharing; decide.js has the first screen.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);

  /** A number with three digits or more, like the figures in the page. */
  function figure(value) {
    const rounded = Number(value.toPrecision(3));
    if (rounded >= 1e6) return `${figure(value / 1e6)}M`;
    if (rounded >= 100) return Math.round(value).toLocaleString("en");
    return value.toFixed(rounded >= 10 ? 1 : 2);
  }

  /** The choices in the address for a part of the page, such as `#table?cache=cold`. */
  function chosenFor(part) {
    const [named, choices] = location.hash.slice(1).split("?");
    return new URLSearchParams(named === part ? choices : "");
  }

  function keepInAddress(part, choices) {
    const query = choices.toString();
    history.replaceState(null, "", `#${part}${query ? `?${query}` : ""}`);
  }

  /** A store's name that can break after its colons. */
  function storeName(store) {
    return store.split(":").flatMap((part, index) =>
      index ? [":", document.createElement("wbr"), part] : [part]);
  }

  function element(tag, content = [], attributes = {}) {
    const made = document.createElement(tag);
    made.append(...[content].flat());
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // The table of stores and operations

  function setUpGrid() {
    const table = byId("grid-table");
    const form = byId("grid-filters");
    const count = byId("grid-count");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...body.rows];
    const choices = ["format", "layout", "images", "cache"];
    const tunings = [...form.querySelectorAll("[name=tuning]")];
    let sorting = { key: "store", order: "ascending" };

    const chosenTunings = () => tunings.filter((box) => box.checked).map((box) => box.value);

    function isAsked(row) {
      const fits = choices.every((name) => !form[name].value || form[name].value === row.dataset[name]);
      return fits && chosenTunings().includes(row.dataset.tuning);
    }

    function showRows() {
      const shown = rows.filter((row) => {
        row.hidden = !isAsked(row);
        if (row.detail) row.detail.hidden = row.hidden;
        return !row.hidden;
      });
      heads.forEach((head, place) => showColumn(head, place, shown));
      count.textContent = shown.length
        ? `${shown.length} of ${rows.length} rows`
        : `None of ${rows.length} rows matches; remove a choice or press Reset.`;
    }

    /** Hide a column without figures in the shown rows, or with a single chosen value. */
    function showColumn(head, place, shown) {
      const key = head.dataset.key;
      const always = ["store", "size", "files"].includes(key);
      const needed = choices.includes(key)
        ? !form[key].value
        : shown.some((row) => row.cells[place].hasAttribute("data-value")
            || row.cells[place].matches(".failed, .skipped"));
      head.hidden = !always && !needed;
      for (const row of rows) row.cells[place].hidden = head.hidden;
    }

    function sortRows() {
      const place = heads.findIndex((head) => head.dataset.key === sorting.key);
      const way = sorting.order === "ascending" ? 1 : -1;
      const named = choices.includes(sorting.key);
      const compare = (one, other) => {
        const [x, y] = [one, other].map((row) => row.cells[place].dataset);
        const [a, b] = [x.value, y.value];
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        // The rank settles the order, as in the report: it comes from pairs inside rounds.
        if (x.place !== y.place) return way * (x.place - y.place);
        return way * (named ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      };
      for (const head of heads) head.removeAttribute("aria-sort");
      heads[place].setAttribute("aria-sort", sorting.order);
      table.classList.toggle("in-order", sorting.key === "store");
      for (const row of [...rows].sort(compare)) {
        body.append(row);
        if (row.detail) body.append(row.detail);
      }
    }

    function keep() {
      const view = new URLSearchParams();
      for (const name of choices) {
        if (form[name].value !== form[name].dataset.start) view.set(name, form[name].value);
      }
      if (chosenTunings().length < tunings.length) view.set("tuning", chosenTunings().join(","));
      if (sorting.key !== "store" || sorting.order !== "ascending") {
        view.set("sort", sorting.key);
        view.set("order", sorting.order);
      }
      keepInAddress("table", view);
    }

    function takeUp() {
      const view = chosenFor("table");
      for (const name of choices) {
        const asked = view.get(name) ?? form[name].dataset.start;
        form[name].value = asked;
        if (form[name].selectedIndex < 0) form[name].value = form[name].dataset.start;
      }
      for (const box of tunings) {
        box.checked = !view.has("tuning") || view.get("tuning").split(",").includes(box.value);
      }
      const known = heads.some((head) => head.dataset.key === view.get("sort"));
      const order = view.get("order") === "descending" ? "descending" : "ascending";
      sorting = known ? { key: view.get("sort"), order } : { key: "store", order: "ascending" };
      showRows();
      sortRows();
    }

    /** Make the store's name a button that shows the times of its row. */
    function letOpen(row) {
      const head = row.cells[0];
      const button = element("button", [...head.childNodes], { type: "button", "aria-expanded": "false" });
      button.addEventListener("click", () => {
        if (row.detail) {
          row.detail.remove();
          row.detail = null;
        } else {
          row.detail = detailOf(row);
          row.after(row.detail);
        }
        button.setAttribute("aria-expanded", String(Boolean(row.detail)));
      });
      head.append(button);
    }

    function detailOf(row) {
      const list = element("dl");
      heads.forEach((head, place) => {
        const cell = row.cells[place];
        const says = cell.title || cell.querySelector("details")?.textContent.trim();
        if (!says) return;
        list.append(element("dt", head.textContent), element("dd", says));
      });
      const { store, images, cache } = row.dataset;
      const title = element("p", `${store}, ${images}, ${cache}: median times and samples`);
      const cell = element("td", element("div", [title, list]), { colspan: heads.length });
      return element("tr", cell, { class: "detail" });
    }

    rows.forEach(letOpen);
    for (const head of heads) {
      head.querySelector("button").addEventListener("click", () => {
        const again = sorting.key === head.dataset.key && sorting.order === "ascending";
        sorting = { key: head.dataset.key, order: again ? "descending" : "ascending" };
        sortRows();
        keep();
      });
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => { showRows(); keep(); });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      keepInAddress("table", new URLSearchParams());
      takeUp();
    });
    takeUp();
    return takeUp;
  }

  // The page as a whole

  const parted = {};
  if (byId("decide-form")) parted.decide = decide.setUp({ figure, element, chosenFor, keepInAddress });
  if (byId("grid-table")) parted.table = setUpGrid();

  /** Go to the part of the page in the address, with the choices there. */
  function follow() {
    const part = location.hash.slice(1).split("?")[0];
    parted[part]?.();
    if (location.hash.includes("?")) byId(part)?.scrollIntoView();
  }

  addEventListener("hashchange", follow);
  follow();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });
})();
