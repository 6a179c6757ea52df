/* Opens zips as the upload page does, outside of a browser: node zips.mjs SCRIPT MEMBERS RATIO ZIP... prints JSON. */
import { openAsBlob, readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import vm from "node:vm";

const [script, members, ratio, ...paths] = process.argv.slice(2);
vm.runInThisContext(readFileSync(script, "utf8"));
const { members: opened, Refusal } = globalThis.leadglassZip;
const limits = { members: Number(members), ratio: Number(ratio) };

for (const path of paths) {
  const found = [];
  let failed = "";
  try {
    for await (const member of opened(await openAsBlob(path), limits)) {
      if (member.refused) { found.push([member.name, "", member.refused]); continue; }
      try {
        const blob = await member.open();
        const digest = createHash("sha256").update(Buffer.from(await blob.arrayBuffer())).digest("hex");
        found.push([member.name, digest, ""]);
      } catch (failure) {
        if (!(failure instanceof Refusal)) throw failure;
        found.push([member.name, "", failure.message]);
      }
    }
  } catch (failure) {
    if (!(failure instanceof Refusal)) failed = `BUG ${failure.stack}`;
    else failed = failure.message;
  }
  process.stdout.write(JSON.stringify({ found, failed, rss: process.memoryUsage().rss }) + "\n");
}
