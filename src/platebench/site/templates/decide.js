// Decide: which store to choose. The rule is that of src/platebench/results/decision.py, for other
// needs than those that the page opens with. Tests compare both on the same measurements.
"use strict";

(() => {
  const CONFIDENCE = 0.95;
  const MOST_FREEDOM = 1e6;
  const TIE_IN_SIZE = 0.01;

  // Student's t

  /** The natural logarithm of the gamma function of a positive number (Lanczos 1964). */
  function logGamma(x) {
    const parts = [76.18009172947146, -86.50532032941677, 24.01409824083091,
      -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
    const series = parts.reduce((sum, part, place) => sum + part / (x + 1 + place), 1.000000000190015);
    return (x + 0.5) * Math.log(x + 5.5) - (x + 5.5) + Math.log(2.5066282746310005 * series / x);
  }

  /** The regularized incomplete beta function, by Lentz's continued fraction. */
  function incompleteBeta(x, a, b) {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
    const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
    const least = 1e-300;
    const away = (value) => (Math.abs(value) < least ? least : value);
    let c = 1;
    let d = 1 / away(1 - ((a + b) * x) / (a + 1));
    let product = d;
    for (let m = 1; m <= 10000; m += 1) {
      for (const term of [
        (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
        (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
      ]) {
        d = 1 / away(1 + term * d);
        c = away(1 + term / c);
        product *= c * d;
      }
      if (Math.abs(c * d - 1) < 1e-14) break;
    }
    return (front * product) / a;
  }

  /** The chance that |t| is larger, of Student's t. */
  function bothTails(t, freedom) {
    return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
  }

  // The rule

  /** Seconds per image, weighted by how often each use occurs. */
  function secondsOf(store, weights) {
    return weights.reduce((sum, [use, weight]) => sum + weight * store.seconds[use], 0);
  }

  /** The pair of two stores for a use: [log ratio, error, degrees of freedom, shift], or null. */
  function pairOf(table, one, other, use) {
    const [first, last] = [Math.min(one.place, other.place), Math.max(one.place, other.place)];
    const count = table.stores.length;
    const pair = table.pairs[use][first * count - (first * (first + 1)) / 2 + last - first - 1];
    if (!pair) return null;
    const [centre, error, place] = pair;
    const turned = one.place < other.place ? centre : -centre;
    return [turned, error, table.freedoms[place], table.shifts[use]];
  }

  /** True if a repeat run would very likely rank two stores in the same order. */
  function isSettled(table, one, other, weights, bySize) {
    const whole = secondsOf(other, weights);
    const parts = [];
    for (const [use, weight] of weights) {
      const pair = pairOf(table, one, other, use);
      if (!pair || pair[1] === null) return false;
      parts.push([((weight * other.seconds[use]) / whole) * Math.exp(pair[0]), pair]);
    }
    const total = parts.reduce((sum, [term]) => sum + term, 0);
    let variance = 0;
    let unfree = 0;
    let shift = 0;
    for (const [term, [, error, freedom, its]] of parts) {
      const part = ((term / total) * error) ** 2;
      variance += part;
      unfree += freedom ? part ** 2 / freedom : 0;
      shift += ((term / total) * its) ** 2;
    }
    const centre = Math.log(total) + (bySize ? Math.log(one.size / other.size) : 0);
    const both = variance + shift;
    if (!both) return centre !== 0;
    const share = variance / both;
    const freedom = unfree && share ? variance ** 2 / unfree / share ** 2 : Infinity;
    return bothTails(centre / Math.sqrt(2 * both), Math.min(freedom, MOST_FREEDOM)) < 1 - CONFIDENCE;
  }

  function whyNot(store, uses) {
    const missing = uses.find((use) => !(use in store.seconds));
    if (missing !== undefined) return store.reasons[missing] ?? `${missing}: not measured`;
    return store.size === null ? "its size is not known" : null;
  }

  /** The choices for shares of the uses, which make 1, in the order of `table.uses`. */
  function decide(table, shares, versions) {
    const stores = table.stores.map((store, place) => ({ ...store, place }));
    const asked = table.uses.map((use, place) => [use, shares[place]]).filter(([, share]) => share > 0);
    const isMeasured = ([use]) => stores.some((store) => use in store.seconds);
    const weights = asked.filter(isMeasured);
    const uses = (weights.length ? weights : asked).map(([use]) => use);
    const leftOut = Object.fromEntries(stores.map((store) => [store.store, whyNot(store, uses)])
      .filter(([, why]) => why !== null));
    const found = { choices: {}, leftOut, unmeasured: asked.filter((each) => !isMeasured(each)).map(([use]) => use) };
    const rivals = stores.filter((store) => !(store.store in leftOut));
    if (!rivals.length || !weights.length) return found;

    function choice(among, figure, bySize) {
      let [best, ...others] = [...among].sort((one, other) => figure(one) - figure(other) || one.place - other.place);
      let tied = others.filter((each) => !isSettled(table, each, best, weights, bySize));
      const native = versions && !best.native ? tied.find((each) => each.native) : undefined;
      if (native) {
        tied = [best, ...tied.filter((each) => each !== native)];
        best = native;
      }
      return { store: best.store, ties: tied.map((each) => each.store) };
    }

    const seconds = (store) => secondsOf(store, weights);
    const least = Math.min(...rivals.map((store) => store.size));
    const small = rivals.filter((store) => store.size <= least * (1 + TIE_IN_SIZE));
    found.choices = {
      Fastest: choice(rivals, seconds, false),
      Balanced: choice(rivals, (store) => store.size * seconds(store), true),
      Smallest: choice(small, seconds, false),
    };
    return found;
  }

  // Amounts in words, as src/platebench/site/amounts.py has them

  /** Digits behind the point, and a comma between thousands. */
  const digits = (value, places) =>
    value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });

  function bytesInWords(bytes) {
    let value = bytes / 1e6;
    let unit = "MB";
    for (const larger of ["GB", "TB", "PB"]) {
      if (value < 1000) break;
      value /= 1000;
      unit = larger;
    }
    return `${digits(value, value < 10 ? 1 : 0)} ${unit}`;
  }

  function durationInWords(hours, figure) {
    const units = [["days", 24], ["hours", 1], ["min", 1 / 60]];
    const [unit, size] = units.find(([, each]) => hours >= 2 * each) ?? ["s", 1 / 3600];
    return `${figure(hours / size)} ${unit}`;
  }

  function moneyInWords(value, currency) {
    const number = digits(value, value >= 10 ? 0 : 2);
    return currency.length === 1 ? `${currency}${number}` : `${number} ${currency}`;
  }

  // The form and the cards

  const NOW = "What you have now";

  /** Set up the form. `page` has what page.js shares: figure, element, chosenFor, keepInAddress. */
  function setUp({ figure, element, chosenFor, keepInAddress }) {
    const byId = (id) => document.getElementById(id);
    const form = byId("decide-form");
    const sure = byId("decide-sure");
    const { tables, now, currency, parallel } = JSON.parse(byId("decide-data").textContent);
    const presets = [...form.querySelectorAll("[data-shares]")];
    const shareInputs = [...form.querySelectorAll("[data-share]")];
    const numbers = [form.tb, ...shareInputs, form.price];
    const start = form.querySelector("[name=bits][checked]")?.value;
    const plain = (value) => String(Number(value.toPrecision(6)));

    function words({ kind, per = 0, fixed = 0 }) {
      const value = Number(per) * Number(form.tb.value) + Number(fixed);
      if (kind === "money") return moneyInWords((value / 1e12) * Number(form.price.value), currency);
      if (kind === "hours") return durationInWords(value, figure);
      if (kind === "rate") return figure(value);
      if (kind === "count") return value >= 1e6 ? `${digits(value / 1e6, 1)} million` : digits(value, 0);
      if (kind === "memory" && value < 1e6) return "under 1 MB";
      return bytesInWords(value);
    }

    /** The uses' shares of 100; whatever is typed counts as parts. */
    function hundredths() {
      const given = shareInputs.map((input) => Number(input.value));
      const total = given.reduce((sum, each) => sum + each, 0);
      return total > 0 ? given.map((each) => (each * 100) / total) : null;
    }

    function card(bits, store, title, ties) {
      const found = document.querySelector(`template[data-bits="${bits}"][data-store="${CSS.escape(store)}"]`);
      const made = found.content.cloneNode(true).querySelector("article");
      made.querySelector("h3").textContent = title;
      made.querySelector(".ties").replaceChildren(...ties.map((tie) => element("li", tie)));
      for (const each of made.querySelectorAll(".amount")) each.textContent = words(each.dataset);
      return made;
    }

    /** Titles and ties by store: the choices, and what there is now. */
    function chosen(table, choices) {
      const names = new Map(table.stores.map(({ store, name }) => [store, name]));
      const found = new Map();
      for (const [name, { store, ties }] of Object.entries(choices)) {
        if (!found.has(store)) found.set(store, { titles: [], ties: [] });
        const each = found.get(store);
        each.titles.push(each.titles.length ? name.toLowerCase() : name);
        if (ties.length) each.ties.push(`${name} in a tie with ${ties.map((tie) => names.get(tie)).join("; ")}`);
      }
      if (names.has(now)) {
        const titles = found.get(now)?.titles;
        if (titles) titles.push(NOW.toLowerCase());
        else found.set(now, { titles: [NOW], ties: [] });
      }
      return found;
    }

    function says(table, decision, shares) {
      const given = table.uses.map((use, place) => [use, shares[place]]).filter(([, share]) => share > 0);
      const left = Object.keys(decision.leftOut).length;
      const compared = table.stores.length - left;
      const memory = table.cold && given.some(([use]) => use === parallel) ? ", parallel ones from memory" : "";
      const lines = [
        `${given.map(([use, share]) => `${plain(share)}% ${use}`).join(", ")}:`,
        `${compared} ${compared === 1 ? "store" : "stores"} compared, reads ${table.cold ? "from the disk" : "from memory"}${memory}.`,
      ];
      if (decision.unmeasured.length) lines.push(`Not measured, so without weight: ${decision.unmeasured.join(", ")}.`);
      return lines.join(" ");
    }

    function own(shares) {
      const rounded = shares.map((each) => Number(each.toFixed(2)));
      const others = rounded.slice(0, -1).reduce((sum, each) => sum + each, 0);
      rounded[rounded.length - 1] = Math.max(0, Number((100 - others).toFixed(2)));
      const weights = shareInputs
        .map((input, place) => [input, rounded[place]])
        .filter(([input, share]) => share || Number(input.defaultValue))
        .map(([input, share]) => `--${input.name} ${share}`)
        .join(" ");
      return `platebench advise DIR --size ${sizeInWords()} ${weights}${form.versions.checked ? " --versions" : ""}`;
    }

    const sizeInWords = () => (Number(form.tb.value) < 1 ? `${plain(form.tb.value * 1000)}GB` : `${plain(Number(form.tb.value))}TB`);

    function show() {
      const given = shareInputs.map((input) => Number(input.value)).join(" ");
      for (const preset of presets) preset.setAttribute("aria-pressed", String(preset.dataset.shares === given));
      const wrong = numbers.find((input) => !input.checkValidity());
      const shares = hundredths();
      byId("decide-cards").hidden = Boolean(wrong) || !shares;
      if (wrong) {
        byId("decide-says").textContent = `${wrong.closest("label").textContent.trim()}: ${wrong.validationMessage}`;
        return;
      }
      if (!shares) {
        byId("decide-says").textContent = "Give at least one use a number above 0.";
        return;
      }
      const bits = form.bits.value;
      const table = tables[bits];
      const decision = decide(table, shares.map((each) => each / 100), form.versions.checked);
      byId("decide-cards").replaceChildren(...[...chosen(table, decision.choices)]
        .map(([store, { titles, ties }]) => card(bits, store, titles.join(", "), ties)));
      byId("decide-says").textContent = says(table, decision, shares);
      byId("decide-own").querySelector("code").textContent = own(shares);
      const left = Object.entries(decision.leftOut);
      byId("decide-left").hidden = !left.length;
      byId("decide-left").querySelector("ul").replaceChildren(
        ...left.map(([store, why]) => element("li", `${store}: ${why}`)));
      for (const note of document.querySelectorAll("p[data-bits]")) note.hidden = note.dataset.bits !== bits;
    }

    function keep() {
      const view = new URLSearchParams();
      for (const input of numbers) if (input.value !== input.defaultValue) view.set(input.name, input.value);
      if (form.bits.value !== start) view.set("bits", form.bits.value);
      if (form.versions.checked) view.set("versions", "yes");
      if (sure.checked) view.set("intervals", "yes");
      keepInAddress("decide", view);
    }

    function takeUp() {
      const view = chosenFor("decide");
      for (const input of numbers) {
        input.value = view.get(input.name) ?? input.defaultValue;
        if (input.disabled || !input.checkValidity()) input.value = input.defaultValue;
      }
      const bits = [...form.querySelectorAll("[name=bits]:enabled")].find(({ value }) => value === view.get("bits"));
      form.bits.value = bits?.value ?? start;
      form.versions.checked = view.get("versions") === "yes";
      sure.checked = view.get("intervals") === "yes";
      show();
    }

    for (const preset of presets) {
      preset.addEventListener("click", () => {
        preset.dataset.shares.split(" ").forEach((share, place) => { shareInputs[place].value = share; });
        show();
        keep();
      });
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { show(); keep(); });
    sure.addEventListener("change", keep);
    takeUp();
    return takeUp;
  }

  window.decide = { decide, bothTails, setUp };
})();
