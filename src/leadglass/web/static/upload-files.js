"use strict";
/* What was chosen or dropped, as objects to send: folders walked, zips opened, everything else told why not.

   Each is {path, bytes, blob, uid, offset} or {path, bytes, refused}. `path` is shown and never sent. */

(() => {
  const { members, Refusal } = globalThis.leadglassZip;
  const HEAD = 4096;                   // bytes in which File Meta Information ends as a rule
  const AHEAD = 16;                    // files
  const HASHED = 256 * 2 ** 20;        // a larger object is sent again rather than held to be compared
  const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]); // PS3.5 7.1.2
  const NOT_DICOM = "It is not a DICOM file.";
  const UNREADABLE = "It cannot be read. It may have been moved or changed, or the disc is damaged.";

  // --- what an object says it is -----------------------------------------------------------------------------

  const ascii = (view, at, length) =>
    String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));

  /* A sentence for what begins with these bytes, "" if it may be an object (PS3.10 7.1). */
  function fits(first) {
    if (first.length < 132) return ""; // perhaps there is more: the blob is looked at again
    return first[128] === 68 && first[129] === 73 && first[130] === 67 && first[131] === 77 ? "" : NOT_DICOM;
  }

  /* Media Storage SOP Instance UID and where the data set begins; "" and 0 where that cannot be told. */
  function identify(head) {
    let uid = "", at = 132;
    while (at + 8 <= head.byteLength) {
      if (head.getUint16(at, true) !== 2) return { uid, offset: at };
      const isLong = LONG.has(ascii(head, at + 4, 2));
      if (isLong && at + 12 > head.byteLength) break;
      const body = at + (isLong ? 12 : 8);
      const length = isLong ? head.getUint32(at + 8, true) : head.getUint16(at + 6, true);
      if (body + length > head.byteLength) break;
      if (head.getUint16(at + 2, true) === 3 && length <= 64) uid = ascii(head, body, length).replace(/[\0 ]+$/, "");
      at = body + length;
    }
    return { uid: "", offset: 0 };
  }

  /* SHA-256 of the data set in hexadecimal; "" where it is too large to be held, or the browser has none. */
  async function digest({ blob, offset }) {
    if (!offset || blob.size > HASHED || !globalThis.crypto?.subtle) return "";
    const sum = await crypto.subtle.digest("SHA-256", await blob.slice(offset).arrayBuffer());
    return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function isReadable(blob) { // to its end: a scratched disc fails in the middle
    try {
      const reader = blob.stream().getReader();
      while (!(await reader.read()).done);
      return true;
    } catch { return false; }
  }

  // --- where they come from ------------------------------------------------------------------------------------

  /* Files below what was dropped, folders in the order of their names. */
  async function* below(entry) {
    const path = entry.fullPath.replace(/^\//, "");
    if (entry.isFile) {
      try { yield { path, file: await new Promise((done, failed) => entry.file(done, failed)) }; }
      catch { yield { path, refused: UNREADABLE }; }
      return;
    }
    const listed = [], reader = entry.createReader();
    try {
      for (let some = null; some === null || some.length;) {
        some = await new Promise((done, failed) => reader.readEntries(done, failed));
        listed.push(...some);
      }
    } catch { yield { path, refused: UNREADABLE }; }
    listed.sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const each of listed) yield* below(each);
  }

  async function* chosen(roots) {
    for (const root of roots) {
      if (root instanceof File) yield { path: root.webkitRelativePath || root.name, file: root };
      else yield* below(root);
    }
  }

  // They say what is beside them and are no images: found, and told, without them.
  const CONTENTS = ["DICOMDIR", "NOT-INCLUDED.TXT", "LEADGLASS-EXPORT.JSONL"];
  const isContents = (path) => CONTENTS.includes(path.replace(/^.*[\\/]/, "").toUpperCase());

  async function* objects(roots, limits) {
    const ahead = []; // their first bytes are being read while those before are sent
    for await (const { path, file, refused } of chosen(roots)) {
      if (!refused && isContents(path)) continue;
      ahead.push({ path, file, refused, first: refused ? null : beginning(file) });
      if (ahead.length > AHEAD) yield* opened(ahead.shift(), limits);
    }
    while (ahead.length) yield* opened(ahead.shift(), limits);
  }

  const beginning = (file) => file.slice(0, HEAD).arrayBuffer().then((bytes) => new DataView(bytes), () => null);

  async function* opened({ path, file, refused, first }, limits) {
    const head = await first;
    if (!head) { yield { path, bytes: refused ? 0 : file.size, refused: refused || UNREADABLE }; return; }
    const magic = head.byteLength >= 4 ? head.getUint32(0, true) : 0;
    if (magic === 0x04034b50 || magic === 0x06054b50) yield* unzipped(path, file, limits);
    else yield object(path, file.size, file, head);
  }

  async function* unzipped(path, file, limits) {
    let left = file.size;
    try {
      for await (const member of members(file, limits)) {
        const name = member.name ? `${path}/${member.name}` : path;
        if (isContents(name)) continue;
        const size = Math.min(left, member.size || 0);
        left -= size;
        yield member.refused ? { path: name, bytes: size, refused: member.refused } : await unpacked(name, size, member);
      }
    } catch (failure) {
      yield { path, bytes: 0, refused: failure instanceof Refusal ? failure.message : UNREADABLE };
    }
    yield { path, bytes: left }; // its headers and table of contents: nothing to send
  }

  async function unpacked(path, bytes, member) {
    try {
      const blob = await member.open(fits);
      return object(path, bytes, blob, new DataView(await blob.slice(0, HEAD).arrayBuffer()));
    } catch (failure) {
      return { path, bytes, refused: failure instanceof Refusal ? failure.message : UNREADABLE };
    }
  }

  function object(path, bytes, blob, head) {
    if (!blob.size) return { path, bytes, refused: "It is empty." };
    const why = head.byteLength < 132 ? NOT_DICOM : fits(new Uint8Array(head.buffer, 0, 132));
    return why ? { path, bytes, refused: why } : { path, bytes, blob, ...identify(head) };
  }

  /* How many files and bytes there are, for the progress bar; the sending does not wait for it. */
  async function count(roots, tell) {
    let files = 0, bytes = 0;
    for await (const { file } of chosen(roots)) {
      files += 1;
      bytes += file ? file.size : 0;
      if (files % 500 === 0) tell(files, bytes, false);
    }
    tell(files, bytes, true);
  }

  globalThis.leadglassFiles = { objects, digest, isReadable, count, UNREADABLE };
})();
