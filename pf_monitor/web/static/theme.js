// Applies the reader's theme before anything is drawn, and switches it: system, light, dark.
"use strict";
(() => {
  const themes = ["system", "light", "dark"];
  const read = () => {
    try {
      return localStorage.getItem("theme") || "system";
    } catch {
      return "system"; // storage may be switched off
    }
  };
  const apply = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = (theme) => { button.querySelector("span").textContent = theme; };
    show(read());
    button.hidden = false;
    button.addEventListener("click", () => {
      const next = themes[(themes.indexOf(read()) + 1) % themes.length];
      try { localStorage.setItem("theme", next); } catch { /* it holds for this page only */ }
      apply(next);
      show(next);
    });
  });
})();
