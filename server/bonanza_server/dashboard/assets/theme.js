// Before the first paint: light or dark, as chosen here before, else as the system is.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("bonanza-theme"); } catch { /* a browser that keeps nothing */ }
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => { document.documentElement.dataset.theme = chosen || (system.matches ? "dark" : "light"); };
  show();
  system.addEventListener("change", () => { show(); dispatchEvent(new Event("bonanza-theme")); });
  window.bonanzaTheme = (next) => {
    chosen = next;
    try { localStorage.setItem("bonanza-theme", next); } catch { /* for this page then */ }
    show();
    dispatchEvent(new Event("bonanza-theme"));
  };
})();
