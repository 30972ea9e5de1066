// The page is readable without this script. The address of the page keeps all choices, for sharing;
// decide.js has the first screen, compare.js the table of all stores.
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

  function element(tag, content = [], attributes = {}) {
    const made = document.createElement(tag);
    made.append(...[content].flat());
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // The page as a whole

  const parted = {};
  const shared = { figure, element, chosenFor, keepInAddress };
  if (byId("decide-form")) parted.decide = decide.setUp(shared);
  if (byId("compare-table")) parted.compare = compare.setUp(shared);

  /** Go to the part of the page in the address, with the choices there. */
  function follow() {
    const part = location.hash.slice(1).split("?")[0];
    parted[part]?.();
    if (location.hash.includes("?")) byId(part)?.scrollIntoView();
  }

  addEventListener("hashchange", follow);
  follow();
})();
