"use strict";
// Sorts and filters the table of visits. Without this script the table is whole.
(() => {
  const body = document.querySelector("#visits tbody"), heads = [...document.querySelectorAll("#visits thead th")];
  const rows = [...body.rows], box = document.querySelector("#filter"), shown = document.querySelector("#shown");
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const key = (row, place) => row.cells[place].dataset.sort;
  const sort = (place) => {
    const head = heads[place], up = head.getAttribute("aria-sort") !== "ascending";
    const number = head.dataset.kind === "number";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort((a, b) => {
      const [one, two] = [key(a, place), key(b, place)];
      if (one === "" || two === "") return (one === "") - (two === "");
      const order = number ? Number(one) - Number(two) : compare(one, two);
      return up ? order : -order;
    });
    body.append(...rows);
  };
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => sort(place)));
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      left += !row.hidden;
    }
    shown.textContent = `${left} of ${rows.length} shown`;
  };
  box.addEventListener("input", filter);
  const folds = [...document.querySelectorAll("details")], buttons = heads.map((head) => head.querySelector("button"));
  addEventListener("beforeprint", () => {
    for (const fold of folds) { fold.dataset.was = fold.open; fold.open = true; }
    heads.forEach((head, place) => head.replaceChildren(buttons[place].textContent)); // buttons are not repeated
  });
  addEventListener("afterprint", () => {
    for (const fold of folds) fold.open = fold.dataset.was === "true";
    heads.forEach((head, place) => head.replaceChildren(buttons[place]));
  });
  document.querySelector(".controls").hidden = false;
  filter();
})();
