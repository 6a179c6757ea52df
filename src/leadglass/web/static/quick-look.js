"use strict";
/* The quick look: scroll through a series, set window and level. Every frame is rendered by the server.

   One image is asked for at a time, and only the newest wish waits: whatever was passed over meanwhile is
   never asked for, so a slow network shows fewer images but never old ones. Neighbours are fetched when
   nothing else is to do. */

(() => {
  const $ = (id) => document.getElementById(id);
  const viewer = $("viewer");
  if (!viewer) return;
  const stage = $("stage"), canvas = $("canvas"), slider = $("slider"), brush = canvas.getContext("2d");

  const EDGES = [384, 768, 1024, 1536, 2048]; // as the server rounds them
  const STORE_PIXELS = 48e6;                  // 4 bytes each, decoded
  const AHEAD = 6, BEHIND = 2;
  const PATIENCE = 1500;                      // ms a newer wish waits for the image under way
  const SPOKEN_AFTER = 400, BUSY_AFTER = 180; // ms
  const WHY = {
    400: "It holds no picture this quick look can draw. Its file can still be retrieved.",
    403: "Your role does not include images.",
    404: "It does not exist any more, or it is not yours to see.",
    500: "What is stored did not pass its integrity check. Tell your PACS administrator.",
    503: "The archive cannot draw it at the moment. Try again in a minute.",
    0: "There is no connection to the archive. Check the network and try again.",
  };

  let frames = [];       // [instance, frame number] in order
  let at = 0;
  let step = 1;          // direction of the last move
  let chosen = null;     // [center, width], null: as the image says
  let shown = null;      // the image on the canvas
  let given = null;      // [center, width] an image came with, where windows go out from unless one is chosen
  let generation = 0;    // of the series: answers for an older one are dropped

  // --- images that are here already, the least recently used first -------------------------------------

  const store = new Map();
  let stored = 0;

  function keep(address, image) {
    store.set(address, image);
    stored += image.bitmap.width * image.bitmap.height;
    for (const [old, one] of store) {
      if (stored <= STORE_PIXELS || old === address) break;
      if (one === shown) continue;
      drop(old, one);
    }
  }

  function drop(address, image) {
    store.delete(address);
    stored -= image.bitmap.width * image.bitmap.height;
    image.bitmap.close();
  }

  function held(address) {
    const image = store.get(address);
    if (image) { store.delete(address); store.set(address, image); }
    return image;
  }

  // --- asking for images ---------------------------------------------------------------------------------

  function edge() {
    const needed = Math.max(stage.clientWidth, stage.clientHeight) * Math.min(devicePixelRatio || 1, 2);
    return EDGES.find((size) => size >= needed) || EDGES[EDGES.length - 1];
  }

  function addressOf(index) {
    const [instance, number] = frames[index];
    const window = chosen ? `&center=${chosen[0]}&width=${chosen[1]}` : "";
    return `/instances/${instance}/frames/${number}?edge=${edge()}${window}`;
  }

  async function load(address, signal) {
    const answer = await fetch(address, { signal, credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); throw new Error("signed out"); }
    if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
    const fact = (name) => answer.headers.get("Leadglass-" + name);
    const number = (name) => (fact(name) ? Number(fact(name)) : null);
    const bitmap = await createImageBitmap(await answer.blob());
    const plain = !address.includes("center=");
    return { bitmap, plain, center: number("Center"), width: number("Width"), gray: fact("Monochrome") === "1" };
  }

  let running = null;    // {address, stop, began, ahead}

  function wish() {      // what the person is looking for now; called after every change
    if (!frames.length) return;
    const address = addressOf(at);
    say();
    const image = held(address);
    if (image) { show(image); }
    if (running && running.address === address) { running.ahead = false; return; }
    if (running && (running.ahead || Date.now() - running.began > PATIENCE)) running.stop.abort();
    if (!running) next();
  }

  function next() {
    const wanted = addressOf(at);
    const address = store.has(wanted) ? ahead() : wanted;
    if (address) run(address, address !== wanted);
    else busy(false);
  }

  function ahead() {     // the nearest neighbour that is not here yet
    for (let distance = 1; distance <= AHEAD; distance++) {
      for (const way of distance <= BEHIND ? [step, -step] : [step]) {
        const index = at + way * distance;
        if (index < 0 || index >= frames.length) continue;
        const address = addressOf(index);
        if (!store.has(address) && !refused.has(address)) return address;
      }
    }
    return null;
  }

  const refused = new Set(); // of this series: not fetched ahead again

  async function run(address, isAhead) {
    const mine = { address, stop: new AbortController(), began: Date.now(), ahead: isAhead };
    const series = generation;
    running = mine;
    if (!isAhead) busy(true);
    try {
      const image = await load(address, mine.stop.signal);
      if (series !== generation) { image.bitmap.close(); return; }
      keep(address, image);
      const wanted = addressOf(at); // an older wish is worth showing while the newest is still to come
      if (address === wanted || !(mine.ahead || store.has(wanted))) show(image);
    } catch (failure) {
      if (failure.name !== "AbortError" && series === generation) {
        refused.add(address);
        if (address === addressOf(at)) return fail(failure.status || 0, mine);
      }
    } finally {
      if (running === mine) running = null;
    }
    if (series === generation && !running) next();
  }

  function fail(status, mine) {
    if (running === mine) running = null;
    busy(false);
    shown = null;
    draw();
    $("failed-why").textContent = WHY[status] || WHY[status >= 500 ? 500 : 400];
    $("again").hidden = status === 400 || status === 404;
    $("failed").hidden = false;
    speak(`Image ${at + 1} of ${frames.length} is not shown. ${$("failed-why").textContent}`);
  }

  // --- showing -------------------------------------------------------------------------------------------

  function show(image) {
    $("failed").hidden = true;
    shown = image;
    if (image.plain) given = image.gray && image.width !== null ? [image.center, image.width] : null;
    draw();
    if (store.has(addressOf(at))) busy(false);
    const windowed = image.gray && image.width !== null;
    $("at-window").textContent = windowed ? `C ${round(image.center)}  W ${round(image.width)}` : "";
    $("reset").hidden = !windowed;
    canvas.setAttribute("aria-label", `Image ${at + 1} of ${frames.length}, ${$("at-name").textContent}`);
  }

  function draw() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(stage.clientWidth * ratio), height = Math.round(stage.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    brush.clearRect(0, 0, width, height);
    if (!shown) return;
    const scale = Math.min(width / shown.bitmap.width, height / shown.bitmap.height);
    const w = shown.bitmap.width * scale, h = shown.bitmap.height * scale;
    brush.imageSmoothingQuality = "high";
    brush.drawImage(shown.bitmap, (width - w) / 2, (height - h) / 2, w, h);
  }

  function say() {
    const text = `${at + 1} / ${frames.length}`;
    slider.value = at + 1;
    slider.setAttribute("aria-valuetext", `Image ${at + 1} of ${frames.length}`);
    $("at-position").textContent = $("position").textContent = text;
    for (const button of $("presets").querySelectorAll("button")) {
      const same = chosen && Number(button.dataset.center) === chosen[0] && Number(button.dataset.width) === chosen[1];
      button.setAttribute("aria-pressed", String(Boolean(same)));
    }
    const window = chosen ? `, level ${round(chosen[0])}, window ${round(chosen[1])}` : "";
    speak(`Image ${at + 1} of ${frames.length}${window}`);
  }

  let speaking = 0;
  function speak(text) {
    clearTimeout(speaking);
    speaking = setTimeout(() => { $("said").textContent = text; }, SPOKEN_AFTER);
  }

  let waiting = 0;
  function busy(is) {
    clearTimeout(waiting);
    if (is) waiting = setTimeout(() => { $("busy").hidden = false; }, BUSY_AFTER);
    else $("busy").hidden = true;
  }

  const round = (value) => (Math.abs(value) >= 10 ? Math.round(value) : Math.round(value * 100) / 100);

  // --- what a person can do ------------------------------------------------------------------------------

  function go(index) {
    const to = Math.max(0, Math.min(frames.length - 1, index));
    if (to === at || !frames.length) return;
    step = to > at ? 1 : -1;
    at = to;
    wish();
  }

  function setWindow(center, width) {
    if (!given && !chosen) return;
    chosen = [round(center), Math.max(1, round(width))];
    $("at-window").textContent = `C ${chosen[0]}  W ${chosen[1]}`;
    wish();
  }

  function nudge(dCenter, dWidth) { // in steps of what is in use: a hundredth of the window's width
    if (!given && !chosen) return;
    const [center, width] = chosen || given;
    const unit = Math.max(width / 100, width > 20 ? 1 : 0.01);
    setWindow(center + dCenter * unit, Math.max(1, width + dWidth * unit));
  }

  function resetWindow() { chosen = null; wish(); }

  function preset(number) {
    const button = $("presets").querySelectorAll("button")[number - 1];
    if (button && !$("presets").hidden) button.click();
  }

  const KEYS = {
    ArrowDown: () => go(at + 1), ArrowRight: () => go(at + 1), ArrowUp: () => go(at - 1), ArrowLeft: () => go(at - 1),
    PageDown: () => go(at + 10), PageUp: () => go(at - 10), Home: () => go(0), End: () => go(frames.length - 1),
    a: () => nudge(0, -5), d: () => nudge(0, 5), w: () => nudge(5, 0), s: () => nudge(-5, 0),
    1: () => preset(1), 2: () => preset(2), 3: () => preset(3), r: resetWindow,
  };
  stage.addEventListener("keydown", (event) => {
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target !== stage) return;
    event.preventDefault();
    act();
  });

  let turned = 0; // a touchpad sends many small turns
  stage.addEventListener("wheel", (event) => {
    if (event.ctrlKey) return;
    event.preventDefault();
    turned += event.deltaMode === 0 ? event.deltaY : event.deltaY * 40;
    const by = Math.trunc(turned / 40);
    if (by) { turned -= by * 40; go(at + Math.sign(by) * Math.min(Math.abs(by), 3)); }
  }, { passive: false });

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || event.target.closest("button")) return;
    const windowing = event.pointerType === "mouse" || $("drag").getAttribute("aria-pressed") === "true";
    drag = { windowing, base: chosen || given, x: event.clientX, y: event.clientY, from: at };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (!drag.windowing) return go(drag.from + Math.round(dy / Math.max(4, stage.clientHeight / (frames.length + 1))));
    if (!drag.base || Math.abs(dx) + Math.abs(dy) < 3) return;
    const unit = Math.max(drag.base[1], 4) / 250; // across 250 pixels the window doubles
    setWindow(drag.base[0] - dy * unit, Math.max(1, drag.base[1] + dx * unit));
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });

  slider.addEventListener("input", () => go(Number(slider.value) - 1));
  $("presets").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) setWindow(Number(button.dataset.center), Number(button.dataset.width));
  });
  $("reset").addEventListener("click", resetWindow);
  $("again").addEventListener("click", () => {
    $("failed").hidden = true;
    refused.clear();
    if (frames.length) wish(); else open(current());
    stage.focus();
  });
  $("drag").addEventListener("click", (event) => {
    const button = event.currentTarget;
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  });
  new ResizeObserver(() => { draw(); wish(); }).observe(stage);

  // --- series --------------------------------------------------------------------------------------------

  const links = [...document.querySelectorAll("[data-series]")].filter((one) => one.tagName === "A");
  const current = () => links.find((link) => link.hasAttribute("aria-current")) || links[0];
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.replaceState(null, "", link.getAttribute("href"));
      open(link);
      stage.focus({ preventScroll: true });
    });
    const thumbnail = link.querySelector("img");
    if (thumbnail) thumbnail.addEventListener("error", () => { thumbnail.replaceWith("No preview"); });
  }

  async function open(link) {
    const mine = ++generation;
    if (running) { running.stop.abort(); running = null; }
    for (const [address, image] of store) drop(address, image);
    refused.clear();
    frames = []; at = 0; step = 1; chosen = null; shown = given = null;
    draw();
    $("failed").hidden = true;
    for (const one of links) one.toggleAttribute("aria-current", false);
    link.setAttribute("aria-current", "true");
    $("at-name").textContent = link.dataset.name;
    $("at-window").textContent = $("at-position").textContent = $("position").textContent = $("at-size").textContent = "";
    $("presets").hidden = link.dataset.modality !== "CT";
    slider.disabled = true;
    busy(true);
    try {
      const answer = await fetch(`/series/${link.dataset.series}/images`, { credentials: "same-origin" });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
      const { images } = await answer.json();
      if (mine !== generation) return;
      frames = images.flatMap(([instance, count]) => Array.from({ length: count || 1 }, (_, n) => [instance, n + 1]));
      slider.max = String(Math.max(1, frames.length));
      slider.disabled = frames.length < 2;
      if (frames.length) wish(); else fail(400, null);
    } catch (failure) {
      if (mine === generation) fail(failure.status || 0, null);
    }
  }

  if (links.length) open(current());
})();
