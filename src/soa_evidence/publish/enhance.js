/* What a page gains where scripts run: tables that sort, a search, and each number's record where the number
   stands. Without it everything is still there. */
"use strict";
(() => {
  const number = (text) => {
    const found = text.replace(/\u2212/g, "-").replace(/(\d),(?=\d{3})/g, "$1").match(/-?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) : NaN;
  };
  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const cells = rows.map((row) => (row.cells[column] ? row.cells[column].textContent.trim() : ""));
    const values = cells.map(number);
    const numeric = head.classList.contains("figure");
    const order = rows.map((_, at) => at).sort((a, b) => {
      if (numeric && isNaN(values[a]) !== isNaN(values[b])) return isNaN(values[a]) ? 1 : -1;
      const by = numeric ? values[a] - values[b] : cells[a].localeCompare(cells[b], "en-GB");
      return (down ? -by : by) || a - b;
    });
    body.append(...order.map((at) => rows[at]));
    table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  document.querySelectorAll("main table").forEach((table) => {
    const heads = table.tHead && table.tHead.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
    if (!table.tBodies[0] || table.tBodies[0].rows.length < 4 || table.querySelector("[colspan], [rowspan]")) return;
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, column, head));
      head.append(button);
    });
  });
  const ledger = document.querySelector("table.ledger");
  if (ledger && typeof HTMLDialogElement === "function") {
    const heads = [...ledger.tHead.rows[0].cells].map((head) => head.textContent.trim());
    const made = (name, text = "", kind = "") => {
      const element = document.createElement(name);
      element.textContent = text;
      element.className = kind;
      return element;
    };
    const dialog = made("dialog", "", "record");
    const close = made("button", "Close", "close");
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    dialog.setAttribute("aria-label", "The record of a number");
    document.getElementById("main").append(dialog);
    let from = null;
    const show = (row, link) => {
      const list = document.createElement("dl");
      [...row.cells].forEach((cell, at) => {
        const told = document.createElement("dd");
        told.append(...[...cell.cloneNode(true).childNodes]);
        list.append(made("dt", heads[at]), told);
      });
      const place = made("a", "Its place among all numbers");
      place.href = link.hash;
      place.dataset.leads = "away";
      const foot = document.createElement("p");
      foot.append(place);
      dialog.replaceChildren(close, list, foot);
      from = link;
      dialog.showModal();
    };
    document.querySelectorAll('a.number[href^="#number-"]').forEach((link) => {
      link.setAttribute("aria-haspopup", "dialog");
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (event.target === dialog) dialog.close(); // beside it, on what it covers
      if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      if (dialog.contains(link)) {
        from = null; // the link leads on, so the focus does not go back
        dialog.close();
        return;
      }
      const row = link.matches('a.number[href^="#number-"]')
        ? document.getElementById(decodeURIComponent(link.hash.slice(1))) : null;
      if (!row || !ledger.contains(row)) return;
      event.preventDefault();
      show(row, link);
    });
    dialog.addEventListener("close", () => { if (from) from.focus(); });
  }
  const field = document.querySelector("input[data-search]");
  if (field) {
    const items = [...document.querySelectorAll("[data-text]")];
    const said = document.getElementById("search-said");
    const apply = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      items.forEach((item) => {
        const group = item.closest("[data-group]");
        const text = `${group ? group.querySelector("h2").textContent : ""} ${item.textContent}`.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        shown += item.hidden ? 0 : 1;
      });
      document.querySelectorAll("[data-group]").forEach((group) => {
        group.hidden = words.length > 0 && !group.querySelector("[data-text]:not([hidden])");
      });
      said.textContent = words.length ? `${shown} of ${items.length} ${field.dataset.search || "reports"} match.` : "";
    };
    document.getElementById("search").hidden = false;
    field.addEventListener("input", apply);
    apply();
  }
  const finder = document.querySelector("input[data-finder]");
  if (finder) {
    const names = [...document.querySelectorAll("#finder-all li")];
    const found = document.getElementById("finder-found");
    const apply = () => {
      const words = finder.value.toLowerCase().split(/\s+/).filter(Boolean);
      const hits = words.length
        ? names.filter((name) => words.every((word) => name.textContent.toLowerCase().includes(word))).slice(0, 8)
        : [];
      found.replaceChildren(...hits.map((name) => name.cloneNode(true)));
      document.getElementById("finder-none").hidden = !words.length || hits.length > 0;
    };
    document.getElementById("finder").hidden = false;
    finder.addEventListener("input", apply);
    apply();
  }
})();
