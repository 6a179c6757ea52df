"use strict";
// The one-time code comes after "#", which browsers send to nobody: not to us, not to a proxy, not in a Referer.
(() => {
  const code = location.hash.slice(1);
  const field = document.getElementById("code");
  if (!code || !field) return;
  field.value = decodeURIComponent(code);
  history.replaceState(null, "", location.pathname);
  document.getElementById("name").focus();
})();
