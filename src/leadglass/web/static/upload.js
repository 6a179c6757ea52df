"use strict";
/* The upload page: objects go out in batches, two at a time, and each is told apart in the answer.

   Nothing is remembered of an upload. Whoever chooses the same again, after the browser was closed or on another
   machine, is asked for nothing: the archive says which objects it has, by their UID and the SHA-256 of their
   data set, and those are not sent. Names of files stay here. */

(() => {
  const $ = (id) => document.getElementById(id);
  const page = $("upload");
  if (!page) return;
  const { objects, digest, isReadable, count, UNREADABLE } = globalThis.leadglassFiles;

  const LANES = 2;                       // batches under way
  const BATCH_FILES = 100, BATCH_BYTES = 16 * 2 ** 20;
  const MOST_LISTED = 200;               // files under each reason
  const WAITS = [1, 2, 4, 8, 15, 30];    // s before it is tried again
  const GIVEN_UP = 6;                    // tries of a batch that breaks off while the archive answers
  const LATER = new Set([408, 429, 502, 503, 504]);
  const limits = { members: Number(page.dataset.members), ratio: Number(page.dataset.ratio) };
  const department = `?department=${encodeURIComponent(page.dataset.department)}`;

  class Ended extends Error {}           // the whole upload, for a reason that is told
  class Stopped extends Error {}         // by whoever looks at it

  let run = null;                        // the upload under way

  function begin(roots) {
    if (run || !roots.length) return;
    run = {
      stop: new AbortController(), began: Date.now(), files: 0, bytes: 0, live: [0, 0], total: null, seen: 0,
      counts: { stored: 0, duplicate: 0, kept_aside: 0, refused: 0 }, reasons: new Map(), waiting: "",
    };
    $("reasons").replaceChildren();
    $("end").hidden = true;
    $("running").hidden = false;
    for (const one of page.querySelectorAll("input")) one.disabled = true;
    page.classList.add("busy-now");
    count(roots, (files, bytes, all) => { if (run) run.total = { files, bytes, all }; }).catch(() => {});
    window.addEventListener("beforeunload", warn);
    const clock = setInterval(show, 250);
    go(roots).then(() => finish(""), (failure) => finish(failure)).finally(() => clearInterval(clock));
    show();
    $("stop").focus();
  }

  async function go(roots) {
    const source = objects(roots, limits)[Symbol.asyncIterator]();
    let turn = Promise.resolve(), failure = null;
    const next = () => { const mine = turn.then(() => batch(source)); turn = mine.catch(() => {}); return mine; };
    const lane = async (number) => {
      for (;;) {
        const some = failure ? [] : await next();
        if (!some.length) return;
        await deliver(await unsent(some), number);
      }
    };
    const lanes = Array.from({ length: LANES }, (_, number) => lane(number).catch((error) => {
      failure = failure || error;
      if (!(error instanceof Stopped)) run.stop.abort();
    }));
    await Promise.all(lanes);
    if (failure) throw failure;
  }

  /* The next objects that are worth sending together; [] at the end. */
  async function batch(source) {
    const some = [];
    let size = 0;
    while (some.length < BATCH_FILES && size < BATCH_BYTES) {
      halt();
      const { done, value } = await source.next();
      if (done) break;
      if (run.seen > limits.members) throw new Ended("There are more files than are taken at once. Choose a part of them.");
      if (value.refused) settle(value, "refused", value.refused);
      else if (value.blob) { run.seen += 1; some.push(value); size += value.blob.size; }
      else run.bytes += value.bytes;
    }
    return some;
  }

  function halt() {
    if (run.stop.signal.aborted) throw new Stopped();
  }

  // --- what is here already ------------------------------------------------------------------------------------

  /* Those that the archive does not have. Where it cannot be asked: all of them, which is slower and no worse. */
  async function unsent(some) {
    const named = some.filter((one) => one.uid);
    const known = await ask(named.map((one) => [one.uid, ""]));
    named.forEach((one, index) => { one.wasAbsent = one.wasAbsent || known[index] === 0; });
    const maybe = named.filter((_, index) => known[index]);
    const pairs = [];
    for (const one of maybe) {
      halt();
      pairs.push([one.uid, await digest(one).catch(() => "")]);
    }
    const same = await ask(pairs);
    const here = new Set(maybe.filter((_, index) => same[index] === 2));
    for (const one of here) settle(one, one.wasAbsent ? "stored" : "duplicate", ""); // absent before it was sent
    return some.filter((one) => !here.has(one));
  }

  async function ask(pairs) {
    if (!pairs.length) return [];
    const body = JSON.stringify({ objects: pairs });
    const answer = await post("/upload/already", body, "application/json");
    if (answer.status === 401 || answer.status === 403) end(answer.status);
    return (answer.status === 200 && answer.body?.here) || [];
  }

  // --- sending -------------------------------------------------------------------------------------------------

  async function deliver(some, lane) {
    for (let tries = 1; some.length; tries++) {
      halt();
      const [body, type] = multipart(some);
      const size = some.reduce((sum, one) => sum + one.bytes, 0);
      const answer = await post("/upload/objects", body, type, (share) => { run.live[lane] = share * size; });
      run.live[lane] = 0;
      if (answer.status === 200 && answer.body?.objects?.length === some.length) {
        settleAll(some, answer.body.objects);
        return;
      }
      if (answer.status === 401 || answer.status === 403) end(answer.status);
      some = LATER.has(answer.status) || !answer.status ? await again(some, tries, answer.status) : await halved(some, lane);
    }
  }

  /* After a while, what is still to be sent: the connection broke off, or the archive is busy. */
  async function again(some, tries, status) {
    await wait(WAITS[Math.min(tries, WAITS.length) - 1], status);
    if (status || tries < 2 || (await post("/upload/already", '{"objects":[]}', "application/json")).status !== 200) {
      return unsent(some);
    }
    const whole = []; // the archive answers, so it may be the files
    for (const one of some) {
      halt();
      if (!(await isReadable(one.blob))) settle(one, "refused", UNREADABLE);
      else if (tries >= GIVEN_UP) settle(one, "refused", "The connection broke off each time it was sent.");
      else whole.push(one);
    }
    return unsent(whole);
  }

  /* A batch that is refused as a whole: find out which of it is to blame. */
  async function halved(some, lane) {
    if (some.length === 1) {
      settle(some[0], "refused", "The archive could not take it.");
      return [];
    }
    await deliver(some.slice(0, some.length / 2), lane);
    return some.slice(some.length / 2);
  }

  function multipart(some) {
    const boundary = "leadglass-" + Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(16)).join("");
    const parts = some.flatMap((one) => [`\r\n--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, one.blob]);
    return [new Blob([...parts, `\r\n--${boundary}--\r\n`]), `multipart/related; type="application/dicom"; boundary=${boundary}`];
  }

  /* {status, body}; status 0 where no answer came. */
  function post(path, body, type, progress) {
    return new Promise((done) => {
      const request = new XMLHttpRequest(), signal = run.stop.signal;
      if (signal.aborted) { done({ status: 0, body: null }); return; }
      const cancel = () => request.abort();
      const settled = (status) => { signal.removeEventListener("abort", cancel); done({ status, body: status ? parsed(request) : null }); };
      request.open("POST", path + department);
      request.setRequestHeader("Content-Type", type);
      request.addEventListener("load", () => settled(request.status));
      for (const ending of ["error", "abort", "timeout"]) request.addEventListener(ending, () => settled(0));
      if (progress) request.upload.addEventListener("progress", (event) => progress(event.total ? event.loaded / event.total : 0));
      signal.addEventListener("abort", cancel);
      request.send(body);
    });
  }

  function parsed(request) {
    try { return JSON.parse(request.responseText); } catch { return null; }
  }

  async function wait(seconds, status) {
    const why = status ? "The archive is busy." : "There is no connection to the archive.";
    const until = Date.now() + seconds * 1000;
    while (Date.now() < until && !run.stop.signal.aborted && !run.hurry) {
      run.waiting = `${why} Trying again in ${Math.ceil((until - Date.now()) / 1000)} s.`;
      await new Promise((done) => setTimeout(done, 200));
    }
    run.waiting = "";
    run.hurry = false;
    halt();
  }

  function end(status) {
    throw new Ended(status === 401
      ? "You were signed out. Sign in and choose the same again: what is here is not sent again."
      : "You may no longer put images in. Ask your system administrator.");
  }

  // --- what became of each, and how it looks -----------------------------------------------------------------------

  function settleAll(some, became) {
    some.forEach((one, index) => { if (became[index].kind !== "unavailable") settle(one, became[index].kind, became[index].sentence); });
    const full = became.find((one) => one.kind === "unavailable");
    if (full) throw new Ended(`${full.sentence} Choose the same again later: what is here is not sent again.`);
  }

  function settle(one, kind, sentence) {
    run.files += 1;
    run.bytes += one.bytes;
    run.counts[kind] += 1;
    if (!sentence) return;
    const found = run.reasons.get(sentence) || { count: 0, kind, paths: [] };
    found.count += 1;
    if (found.paths.length < MOST_LISTED) found.paths.push(one.path);
    run.reasons.set(sentence, found);
  }

  const number = (value) => value.toLocaleString("en");
  const files = (value) => `${number(value)} ${value === 1 ? "file" : "files"}`;

  function size(value) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
  }

  function left(share) {
    const seconds = ((Date.now() - run.began) / 1000) * (1 / share - 1);
    if (share < 0.02 || seconds < 3) return "";
    return seconds < 90 ? `, about ${Math.ceil(seconds / 5) * 5} s left` : `, about ${Math.round(seconds / 60)} min left`;
  }

  function show() {
    if (!run) return;
    const { total, counts } = run, sent = run.bytes + run.live[0] + run.live[1];
    const bar = $("bar");
    if (total?.all && total.bytes) { bar.max = total.bytes; bar.value = Math.min(sent, total.bytes); } else bar.removeAttribute("value");
    const of = total?.all ? ` of ${size(total.bytes)}` : "";
    say($("how-far"), run.waiting || `${files(run.files)} done, ${size(sent)}${of}${total?.all && total.bytes ? left(sent / total.bytes) : ""}`);
    $("hurry").hidden = !run.waiting;
    for (const kind of Object.keys(counts)) say($(`count-${kind}`), number(counts[kind]));
    for (const [sentence, found] of run.reasons) list(sentence, found);
  }

  function say(place, words) {
    if (place.textContent !== words) place.textContent = words;
  }

  /* One fold for each reason, its files in it. */
  function list(sentence, found) {
    if (!found.fold) {
      found.fold = document.createElement("details");
      found.fold.className = "reason";
      found.fold.append(document.createElement("summary"), document.createElement("ul"));
      const words = [document.createElement("span"), document.createElement("b")];
      words[0].textContent = sentence;
      words[1].className = found.kind === "kept_aside" ? "badge warn" : "badge neutral";
      found.fold.firstChild.append(...words);
      $("reasons").append(found.fold);
    }
    say(found.fold.firstChild.lastChild, files(found.count));
    const lines = found.fold.lastChild;
    for (const path of found.paths.slice(lines.children.length)) {
      const line = document.createElement("li"), name = document.createElement("bdi");
      name.textContent = path;
      line.append(name);
      lines.append(line);
    }
    const more = found.count - found.paths.length;
    if (more > 0 && found.paths.length === MOST_LISTED) {
      found.more = found.more || found.fold.appendChild(document.createElement("p"));
      say(found.more, `and ${number(more)} more`);
    }
  }

  function finish(failure) {
    show();
    const { counts } = run;
    const parts = [
      [counts.stored, "stored"], [counts.duplicate, "already here"], [counts.kept_aside, "kept aside"], [counts.refused, "refused"],
    ].filter(([many]) => many).map(([many, what]) => `${number(many)} ${what}`);
    const became = parts.length ? `${parts.join(", ")}.` : failure ? "" : "Nothing to send was found.";
    const why = failure instanceof Stopped ? "Stopped. Choose the same again to go on: what is here is not sent again."
      : failure instanceof Ended ? failure.message
      : failure ? "The upload broke off: this is our mistake. Choose the same again to go on." : "Done.";
    $("end").className = !failure && !counts.refused && !counts.kept_aside ? "note good" : failure ? "note bad" : "note";
    say($("end"), `${why} ${became}`.trim());
    $("end").hidden = false;
    $("running").hidden = true;
    for (const one of page.querySelectorAll("input")) { one.disabled = false; one.value = ""; }
    page.classList.remove("busy-now");
    window.removeEventListener("beforeunload", warn);
    run = null;
    $("end").focus();
  }

  const warn = (event) => event.preventDefault();

  // --- choosing and dropping ---------------------------------------------------------------------------------------

  $("without").hidden = true;
  page.hidden = false;
  for (const id of ["files", "folder"]) $(id).addEventListener("change", (event) => begin([...event.target.files]));
  $("stop").addEventListener("click", () => run?.stop.abort());
  $("hurry").addEventListener("click", () => { if (run) run.hurry = true; });
  window.addEventListener("online", () => { if (run) run.hurry = true; });

  const over = (event) => { // wherever it is dropped, the browser must not open it instead
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = run ? "none" : "copy";
    page.classList.toggle("over", !run);
  };
  for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, over);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) page.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    page.classList.remove("over");
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    begin(items.map((item) => item.webkitGetAsEntry?.() || item.getAsFile()).filter(Boolean));
  });
})();
