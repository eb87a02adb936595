// The KQL box: Ctrl+Enter runs it, a click on a table or column writes it there.
"use strict";
(() => {
  const box = document.getElementById("q");
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      box.form.requestSubmit();
    }
  });
  for (const name of document.querySelectorAll("[data-insert]")) {
    const button = name.tagName === "BUTTON" ? name : document.createElement("button");
    if (button !== name) {
      Object.assign(button, { type: "button", textContent: name.textContent });
      button.dataset.insert = name.dataset.insert;
      button.setAttribute("aria-label", `Insert ${name.dataset.insert}`);
      name.replaceWith(button);
    }
    button.hidden = false;
    button.addEventListener("click", () => {
      box.setRangeText(button.dataset.insert, box.selectionStart, box.selectionEnd, "end");
      box.focus();
    });
  }
})();
