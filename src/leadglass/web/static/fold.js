"use strict";
// On a phone the search form folds once its results are there: they would stand below it, out of sight.
document.addEventListener("htmx:afterSwap", () => {
  if (matchMedia("(min-width: 46.01rem)").matches) return;
  for (const form of document.querySelectorAll("details.fold[open]")) form.open = false;
});
