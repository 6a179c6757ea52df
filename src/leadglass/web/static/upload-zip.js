"use strict";
/* Zips, opened in the browser (APPNOTE 6.3): one member after the other, never more of one than its own bytes.

   The table of contents at the end says what there is, and each member is held to what it says: its size, its
   CRC-32, a ratio. What a member is called is shown and used for nothing else, so "../" leads nowhere.
   Everything here is plain JavaScript without a page: tests run it outside of a browser too. */

(() => {
  const END = 0x06054b50, LOCATOR_64 = 0x07064b50, END_64 = 0x06064b50, ENTRY = 0x02014b50, LOCAL = 0x04034b50;
  const END_SIZE = 22, LOCATOR_SIZE = 20, END_64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30;
  const LONGEST_COMMENT = 0xffff, ALL_32 = 0xffffffff;
  const MIB = 2 ** 20;
  const FREE_RATIO = 16 * MIB;        // that a member may unpack to however small it was
  const FREE_TOTAL = 1024 * MIB;      // and all of them together
  const LARGEST = 1024 * MIB;         // of one member, unpacked
  const DIRECTORY_BYTES = 64 * MIB;
  const FOLD = 32 * MIB;              // of what is unpacked, before it is handed to the browser to keep

  const SAID = {
    cut: "This zip is cut short or damaged: its table of contents is missing. Get it again, or unpack it and choose the folder.",
    damaged: "The zip is damaged here.",
    encrypted: "It holds members that need a password. Unpack it with its password and choose the folder.",
    method: "It is packed in a way that is not read here. Unpack the zip and choose the folder.",
    many: "It has more members than are taken. Unpack it and choose the folder, or have it imported on the server.",
    overlap: "Its members overlap: it was made to unpack to far more than it is. What came before was taken.",
    bomb: "It unpacks to far more than it is packed: it may have been made to do harm.",
    large: "It is too large to be unpacked in the browser. Unpack the zip and choose the folder.",
    inner: "It is a zip inside a zip. Unpack it first.",
  };

  class Refusal extends Error {}

  const refuse = (why) => { throw new Refusal(SAID[why]); };

  async function bytes(file, start, length) {
    return new DataView(await file.slice(start, start + length).arrayBuffer());
  }

  function large(view, at) {
    const value = Number(view.getBigUint64(at, true));
    return Number.isSafeInteger(value) ? value : refuse("damaged");
  }

  // --- the table of contents -------------------------------------------------------------------------------

  async function directory(file, most) {
    const from = Math.max(0, file.size - END_SIZE - LONGEST_COMMENT);
    const tail = await bytes(file, from, file.size - from);
    let at = tail.byteLength - END_SIZE;
    const ends = () => tail.getUint32(at, true) === END && at + END_SIZE + tail.getUint16(at + 20, true) <= tail.byteLength;
    while (at >= 0 && !ends()) at--;
    if (at < 0) refuse("cut");
    let count = tail.getUint16(at + 10, true), size = tail.getUint32(at + 12, true), offset = tail.getUint32(at + 16, true);
    let end = from + at;
    if (at >= LOCATOR_SIZE && tail.getUint32(at - LOCATOR_SIZE, true) === LOCATOR_64) {
      end = large(tail, at - 12);
      const record = await bytes(file, end, END_64_SIZE);
      if (record.byteLength < END_64_SIZE || record.getUint32(0, true) !== END_64) refuse("damaged");
      [count, size, offset] = [large(record, 32), large(record, 40), large(record, 48)];
    }
    if (count > most || size > DIRECTORY_BYTES) refuse("many");
    const shift = end - size - offset; // what was put before the zip
    if (end - size < 0 || shift < 0) refuse("damaged");
    const table = await bytes(file, end - size, size);
    return { table, count: Math.max(count, counted(table, most)), shift };
  }

  /* How many there are: without ZIP64 the end record counts modulo 65,536, and it need not be true at all. */
  function counted(table, most) {
    let count = 0;
    for (let at = 0; at + ENTRY_SIZE <= table.byteLength && table.getUint32(at, true) === ENTRY;) {
      if (++count > most) refuse("many");
      at += [28, 30, 32].reduce((sum, place) => sum + table.getUint16(at + place, true), ENTRY_SIZE);
    }
    return count;
  }

  function* entries({ table, count, shift }) {
    let at = 0;
    for (let number = 0; number < count; number++) {
      if (at + ENTRY_SIZE > table.byteLength || table.getUint32(at, true) !== ENTRY) refuse("damaged");
      const [name, extra, comment] = [28, 30, 32].map((place) => table.getUint16(at + place, true));
      const next = at + ENTRY_SIZE + name + extra + comment;
      if (next > table.byteLength) refuse("damaged");
      const flags = table.getUint16(at + 8, true);
      const entry = {
        name: text(table, at + ENTRY_SIZE, name, flags),
        flags,
        method: table.getUint16(at + 10, true),
        crc: table.getUint32(at + 16, true),
        packed: table.getUint32(at + 20, true),
        size: table.getUint32(at + 24, true),
        offset: table.getUint32(at + 42, true),
      };
      widen(entry, table, at + ENTRY_SIZE + name, extra);
      entry.offset += shift;
      yield entry;
      at = next;
    }
  }

  function text(table, at, length, flags) {
    const raw = new Uint8Array(table.buffer, table.byteOffset + at, length);
    return new TextDecoder(flags & 0x800 ? "utf-8" : "latin1").decode(raw);
  }

  function widen(entry, table, at, length) { // ZIP64 extended information (4.5.3), in this order
    for (const end = at + length; at + 4 <= end;) {
      const kind = table.getUint16(at, true), stop = at + 4 + table.getUint16(at + 2, true);
      if (stop > end) return;
      at += 4;
      for (const field of kind === 1 ? ["size", "packed", "offset"] : []) {
        if (entry[field] !== ALL_32) continue;
        if (at + 8 > stop) refuse("damaged");
        entry[field] = large(table, at);
        at += 8;
      }
      at = stop;
    }
  }

  // --- members ---------------------------------------------------------------------------------------------

  /* Yields {name, size, open} or {name, refused}. `size` is what it takes in the zip; `open` gives a Blob or
     throws a Refusal. Throws a Refusal where the zip itself cannot be read on. */
  async function* members(file, limits) {
    const found = await directory(file, limits.members);
    const budget = { unpacked: Math.max(FREE_TOTAL, limits.ratio * file.size), packed: file.size };
    let told = false;
    for (const entry of entries(found)) {
      if (entry.name.endsWith("/")) continue;
      budget.packed -= entry.packed;
      if (budget.packed < 0) refuse("overlap");
      if (entry.flags & 1) {
        if (!told) yield { name: "", refused: SAID.encrypted };
        told = true;
      } else if (entry.method !== 0 && entry.method !== 8) {
        yield { name: entry.name, refused: SAID.method };
      } else {
        yield { name: entry.name, size: entry.packed, open: (fits) => unpack(file, entry, budget, limits.ratio, fits) };
      }
    }
  }

  /* `fits(first)` looks at the first bytes and returns a sentence where the rest is not worth unpacking. */
  async function unpack(file, entry, budget, ratio, fits) {
    const head = await bytes(file, entry.offset, LOCAL_SIZE);
    if (head.byteLength < LOCAL_SIZE || head.getUint32(0, true) !== LOCAL) refuse("damaged");
    const start = entry.offset + LOCAL_SIZE + head.getUint16(26, true) + head.getUint16(28, true);
    if (start + entry.packed > file.size) refuse("damaged");
    if (entry.size > Math.max(FREE_RATIO, ratio * entry.packed) || entry.size > budget.unpacked) refuse("bomb");
    if (entry.size > LARGEST) refuse("large");
    budget.unpacked -= entry.size;
    const packed = file.slice(start, start + entry.packed);
    const unpacked = await gathered(packed, entry, fits);
    return entry.method === 0 ? packed : unpacked; // as it lies there: nothing of it need be kept
  }

  async function gathered(packed, entry, fits) {
    const plain = entry.method === 0;
    const stream = plain ? packed.stream() : packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const reader = stream.getReader(), blobs = [];
    let chunks = [], size = 0, folded = 0, crc = 0;
    try {
      for (;;) {
        const { done, value } = await read(reader);
        if (done) break;
        if (size === 0) look(value, fits);
        size += value.length;
        if (size > entry.size) refuse("damaged");
        crc = crc32(value, crc);
        if (!plain) chunks.push(value);
        if (size - folded >= FOLD) { blobs.push(new Blob(chunks)); chunks = []; folded = size; }
      }
    } catch (failure) {
      reader.cancel().catch(() => {});
      throw failure;
    }
    if (size !== entry.size || crc !== entry.crc) refuse("damaged");
    return new Blob([...blobs, ...chunks]);
  }

  async function read(reader) {
    try { return await reader.read(); } catch { return refuse("damaged"); }
  }

  function look(first, fits) {
    if (first[0] === 0x50 && first[1] === 0x4b && (first[2] === 3 || first[2] === 5)) refuse("inner");
    const why = fits ? fits(first) : "";
    if (why) throw new Refusal(why);
  }

  const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
    for (let bit = 0; bit < 8; bit++) index = index & 1 ? (index >>> 1) ^ 0xedb88320 : index >>> 1;
    return index >>> 0;
  });

  function crc32(chunk, crc) {
    crc = ~crc;
    for (let at = 0; at < chunk.length; at++) crc = TABLE[(crc ^ chunk[at]) & 0xff] ^ (crc >>> 8);
    return ~crc >>> 0;
  }

  globalThis.leadglassZip = { members, Refusal };
})();
