// What makes a page better where scripts run: times in the reader's zone, values under the pointer, copy buttons,
// a page that refreshes itself. Everything is there without it.
"use strict";
(() => {
  const two = (number, width = 2) => String(number).padStart(width, "0");
  const zone = (() => {
    const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(new Date());
    return parts.find((part) => part.type === "timeZoneName").value;
  })();

  const local = (iso, precision) => {
    const moment = new Date(iso);
    const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
    const minute = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
    const second = `${minute}:${two(moment.getSeconds())}`;
    const all = { day, minute: `${day} ${minute}`, second: `${day} ${second}`,
      millisecond: `${day} ${second}.${two(moment.getMilliseconds(), 3)}` };
    return all[precision];
  };
  const onAxis = (iso, precision) => {
    const moment = new Date(iso);
    if (precision === "day") return moment.toLocaleDateString("en-GB", { day: "2-digit", month: "short" });
    const minute = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
    return precision === "minute" ? minute : `${minute}:${two(moment.getSeconds())}`;
  };

  const localise = (root) => {
    for (const element of root.querySelectorAll("time[datetime]"))
      element.textContent = local(element.dateTime, element.dataset.precision);
    for (const element of root.querySelectorAll("text[data-time]"))
      element.textContent = onAxis(element.dataset.time, element.dataset.precision);
    for (const element of root.querySelectorAll("[data-zone]")) element.textContent = zone;
    for (const input of root.querySelectorAll("input[data-utc]"))
      input.value = local(`${input.dataset.utc}Z`, "second").replace(" ", "T");
  };

  // A form's times are the reader's; the server is told UTC.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-local-times]")) return;
    for (const input of event.target.querySelectorAll("input[data-utc]")) {
      const sent = Object.assign(document.createElement("input"),
        { type: "hidden", name: input.name, value: new Date(input.value).toISOString().replace(".000Z", "Z") });
      input.name = "";
      event.target.append(sent);
    }
  });

  // What there is to filter by is asked for when somebody wants to filter.
  const choices = (root) => {
    for (const menu of root.querySelectorAll("[data-choices-from]"))
      menu.addEventListener("toggle", async () => {
        const answer = await fetch(menu.dataset.choicesFrom).catch(() => null);
        if (!answer?.ok) return; // the fields take any text
        const known = await answer.json();
        for (const input of menu.querySelectorAll("[data-choices]")) {
          const select = Object.assign(document.createElement("select"), { id: input.id, name: input.name });
          const values = new Set(["", ...known[input.dataset.choices], input.value]);
          for (const value of values) select.add(new Option(value || "all", value, false, value === input.value));
          input.replaceWith(select);
        }
      }, { once: true });
  };

  // The values of a chart under the pointer, read from its own table.
  const bound = new WeakSet();
  const charts = (root) => {
    for (const chart of root.querySelectorAll("figure.chart")) {
      const plot = chart.querySelector(".plot");
      if (!plot || bound.has(chart)) continue;
      bound.add(chart);
      const stripes = [...plot.querySelectorAll(".hit")];
      for (const stripe of stripes) stripe.querySelector("title")?.remove();
      const table = chart.querySelector(".numbers table");
      const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent);
      const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
      plot.append(tip);
      const show = (stripe) => {
        const cells = [...table.tBodies[0].rows[stripes.indexOf(stripe)].cells].map((cell) => cell.textContent);
        tip.replaceChildren(Object.assign(document.createElement("strong"), { textContent: cells[0] }),
          ...cells.slice(1).map((value, index) => {
            const row = document.createElement("span");
            row.append(Object.assign(document.createElement("span"), { textContent: names[index + 1] }),
              Object.assign(document.createElement("span"), { textContent: value }));
            return row;
          }));
        tip.hidden = false;
        const place = stripe.getBoundingClientRect();
        const whole = plot.getBoundingClientRect();
        const right = place.right - whole.left + 8;
        const left = right + tip.offsetWidth <= whole.width ? right : place.left - whole.left - tip.offsetWidth - 8;
        tip.style.left = `${Math.max(0, left)}px`;
        tip.style.top = "12px";
      };
      plot.addEventListener("pointermove", (event) => {
        if (event.target.matches?.(".hit")) show(event.target);
      });
      plot.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
  };

  const copy = async (button, text) => {
    const label = button.firstChild;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Not copied";
    }
    setTimeout(() => { label.textContent = before; }, 1500);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-address]");
    if (button) copy(button, button.dataset.copy ?? location.href);
    // A menu closes when something else is clicked.
    for (const menu of document.querySelectorAll("details.pop[open]"))
      if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.pop[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  const enhance = (root) => {
    localise(root);
    charts(root);
    choices(root);
    for (const element of root.querySelectorAll("[data-copy], [data-copy-address], [data-scripted]"))
      element.hidden = false;
  };

  // A page that refreshes itself replaces what it shows, and keeps what the reader does with it.
  const refreshed = () => {
    const control = document.getElementById("refresh");
    if (!control) return;
    const every = Number(control.dataset.every) * 1000;
    const said = document.getElementById("refreshed");
    let paused = false;
    let timer = 0;
    const tell = (text) => { said.textContent = text; };
    const now = () => local(new Date().toISOString(), "second").slice(11);
    const load = async () => {
      const live = document.getElementById("live");
      const open = [...live.querySelectorAll("details")].map((one) => one.open);
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
        const focused = document.activeElement;
        const place = live.contains(focused) ? [...live.querySelectorAll("a, summary, [tabindex]")].indexOf(focused) : -1;
        live.replaceChildren(...fresh.childNodes);
        [...live.querySelectorAll("details")].forEach((one, index) => { one.open = open[index] ?? false; });
        enhance(live);
        if (place >= 0) live.querySelectorAll("a, summary, [tabindex]")[place]?.focus({ preventScroll: true });
        tell(`Refreshed at ${now()}`);
      } catch {
        tell(`Not refreshed at ${now()}: pf-monitor does not answer`);
      }
      plan();
    };
    const plan = () => {
      clearTimeout(timer);
      // Nobody looks at a hidden tab.
      if (!paused) timer = setTimeout(() => document.hidden ? plan() : load(), every);
    };
    control.hidden = false;
    tell(`Refreshed at ${now()}`);
    control.addEventListener("click", () => {
      paused = !paused;
      control.textContent = paused ? "Resume" : "Pause";
      if (paused) clearTimeout(timer);
      else load();
    });
    plan();
  };

  enhance(document);
  refreshed();
})();
