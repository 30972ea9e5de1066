// asv's first page and its benchmarks open with a few formats on the main image set. The data is
// that of src/platebench/site/asv_opening.py.
"use strict";

(() => {
  const { names, tiles, addresses } = window.platebenchOpening;
  const COLOURS = ["#0072B2", "#009E73", "#D55E00"];
  const QUIET = {
    grid: { borderWidth: 1, margin: 0, labelMargin: 0, axisMargin: 0, minBorderMargin: 2 },
    legend: { show: false },
    series: { lines: { show: true, lineWidth: 2 }, points: { show: true, radius: 2 }, shadowSize: 0 },
    yaxis: { ticks: [], min: 0, autoscaleMargin: 0.1 },
  };
  let isDrawn = false;

  /** A benchmark without choices in its address opens with ours. */
  function choose() {
    const address = addresses[decodeURIComponent(location.hash.slice(1))];
    if (address) location.replace(address);
  }

  function tileOf(name, plot) {
    const title = $("<div class='benchmark-text'/>").text(name.slice(name.indexOf(".") + 1));
    return $("<a class='btn benchmark-container'/>").attr("href", addresses[name] ?? `#${name}`).append(title, plot);
  }

  function draw(name, plot) {
    if (tiles[name]) {
      const curves = tiles[name].map((data, place) => ({
        color: COLOURS[place], data: data.map(([images, time]) => [Math.log2(images), time]),
      }));
      $.plot(plot, curves, { ...QUIET, xaxis: { ticks: [] } });
      return;
    }
    // No time of these formats: asv's own mean over all stores, by commit, or nothing to show.
    $.asv.load_graph_data(`graphs/summary/${name}.json`).done((data) => {
      if (data.length) $.plot(plot, [{ color: "#777", data }], { ...QUIET, xaxis: { ticks: [] } });
      else remove(plot);
    }).fail(() => remove(plot));
  }

  function remove(plot) {
    const group = plot.closest(".benchmark-group");
    plot.closest("a").remove();
    if (!group.find("a").length) group.remove();
  }

  function showGrid() {
    $("#summarygrid-display").show();
    $("#title").text("All benchmarks");
    if (isDrawn) return;
    isDrawn = true;
    const display = $("#summarygrid-display").empty();
    const says = $("<p style='margin: 1em; text-align: center'/>").text("Milliseconds by number of images: ");
    names.forEach((name, place) => says.append($("<strong/>").css("color", COLOURS[place]).text(`${name}  `)));
    display.append(says.append(". Grey: the mean of all stores, by commit."));
    const groups = new Map();
    const draws = [];
    for (const name of Object.keys($.asv.main_json.benchmarks)) {
      const group = name.slice(0, name.indexOf("."));
      if (!groups.has(group)) groups.set(group, $("<div class='benchmark-group'/>").append($("<h1/>").text(group)));
      const plot = $("<div class='benchmark-plot'/>");
      groups.get(group).append(tileOf(name, plot));
      draws.push(() => draw(name, plot));
    }
    for (const group of groups.values()) display.append(group);
    for (const each of draws) each(); // a plot needs its place in the page
  }

  choose();
  addEventListener("hashchange", choose);
  $(document).ready(() => $.asv.register_page("", showGrid));
})();
