// Tables that sort by any column, with buttons in their heads, and keep focus and scroll while they are refreshed.

export class Table {
  // columns: [{ title, value: row => sortable, text: row => shown, kind: "number" | "wide" | undefined }]
  constructor(element, columns, { empty, sortBy = 0, descending = false }) {
    this.columns = columns;
    this.empty = empty;
    this.sortBy = sortBy;
    this.descending = descending;
    this.rows = [];
    this.heads = columns.map((column, index) => this.#head(column, index));
    const head = element.createTHead().insertRow();
    head.append(...this.heads);
    this.body = element.createTBody();
  }

  show(rows) {
    this.rows = rows;
    const { value } = this.columns[this.sortBy];
    const sign = this.descending ? -1 : 1;
    const sorted = [...rows].sort((a, b) => sign * compare(value(a), value(b)));
    this.heads.forEach((head, index) => {
      if (index === this.sortBy) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.body.replaceChildren(...(sorted.length ? sorted.map((row) => this.#row(row)) : [this.#none()]));
  }

  #head(column, index) {
    const head = document.createElement("th");
    head.scope = "col";
    head.className = column.kind ?? "";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    button.addEventListener("click", () => {
      this.descending = this.sortBy === index ? !this.descending : column.kind === "number";
      this.sortBy = index;
      this.show(this.rows);
    });
    head.append(button);
    return head;
  }

  #row(row) {
    const shown = document.createElement("tr");
    for (const column of this.columns) {
      const cell = shown.insertCell();
      cell.className = column.kind ?? "";
      cell.textContent = column.text ? column.text(row) : column.value(row);
    }
    return shown;
  }

  #none() {
    const shown = document.createElement("tr");
    const cell = shown.insertCell();
    cell.colSpan = this.columns.length;
    cell.className = "empty";
    cell.textContent = this.empty;
    return shown;
  }
}

function compare(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  return (a ?? -Infinity) - (b ?? -Infinity);
}
