"use strict";
// Sorts and filters the tables that ask for it. Without scripts the page has the same content in the order of the file.
(() => {
  const text = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
  const number = (cell) => {
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const found = /^[≥≤]?\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)/i.exec(text(cell));
    return found ? Number(found[1]) : NaN;
  };
  const compare = (a, b, numeric) => {
    if (!numeric) return a.localeCompare(b, "en", { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return 0;
    return a - b;
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rows = [...body.rows];
        const numeric = rows.some((row) => row.cells[column].classList.contains("n"));
        const down = head.getAttribute("aria-sort") === (numeric ? null : "ascending") || head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const keyed = rows.map((row) => [numeric ? number(row.cells[column]) : text(row.cells[column]), row]);
        // What has no number comes last, whichever way the rest is sorted.
        const known = keyed.filter(([key]) => !Number.isNaN(key));
        const unknown = keyed.filter(([key]) => Number.isNaN(key));
        known.sort(([a], [b]) => compare(a, b, numeric) * (down ? -1 : 1));
        body.append(...[...known, ...unknown].map(([, row]) => row));
      });
    });
  };

  const filterable = (table) => {
    const columns = table.dataset.filter.split(",").map(Number);
    const rows = [...table.tBodies[0].rows];
    const parts = (row, column) => text(row.cells[column]).split(" + ");
    const form = document.createElement("div");
    form.className = "filters";
    const shown = document.createElement("p");
    shown.setAttribute("role", "status");
    const chosen = new Map();
    const update = () => {
      let count = 0;
      rows.forEach((row) => {
        row.hidden = ![...chosen].every(([column, value]) => !value || parts(row, column).includes(value));
        count += row.hidden ? 0 : 1;
      });
      shown.textContent = `${count} of ${rows.length} rows`;
    };
    columns.forEach((column) => {
      const values = [...new Set(rows.flatMap((row) => parts(row, column)))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (values.length < 2) return;
      const label = document.createElement("label");
      const select = document.createElement("select");
      ["", ...values].forEach((value) => select.append(new Option(value || "all", value)));
      select.addEventListener("change", () => {
        chosen.set(column, select.value);
        update();
      });
      label.append(text(table.tHead.rows[0].cells[column]), " ", select);
      form.append(label);
    });
    update();
    form.append(shown);
    table.parentElement.before(form);
  };

  // Tables in what is closed are prepared when it opens: a page of many rows appears at once.
  const prepare = (place) => {
    place.querySelectorAll("table.sorts").forEach((table) => {
      if (table.dataset.ready) return;
      table.dataset.ready = "yes";
      if (table.dataset.filter) filterable(table);
      sortable(table);
    });
  };
  document.querySelectorAll("details").forEach((one) => {
    one.addEventListener("toggle", () => prepare(one));
    if (one.open) prepare(one);
  });
  document.querySelectorAll("section#files").forEach(prepare);
})();
