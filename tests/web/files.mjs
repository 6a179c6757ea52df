/* What the upload page makes of files, outside of a browser: node files.mjs FOLDER_OF_SCRIPTS FILE... prints JSON. */
import { openAsBlob, readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [folder, ...paths] = process.argv.slice(2);
for (const script of ["upload-zip.js", "upload-files.js"]) vm.runInThisContext(readFileSync(join(folder, script), "utf8"));
const { objects, digest } = globalThis.leadglassFiles;

const files = [];
for (const path of paths) files.push(new File([await openAsBlob(path)], path));
for await (const one of objects(files, { members: 100, ratio: 100 })) {
  const sum = one.refused || !one.blob ? "" : await digest(one);
  process.stdout.write(JSON.stringify([one.path, one.uid || "", one.offset || 0, sum, one.refused || ""]) + "\n");
}
