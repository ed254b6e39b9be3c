// What is wider than the page scrolls in its own box; the box takes the keyboard's focus, only then.
const BOXES = "article pre, article .math, article .table-wrapper, article .cell_output";

function giveFocus() {
  for (const box of document.querySelectorAll(BOXES)) {
    const scrolls = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

window.addEventListener("load", giveFocus);
window.addEventListener("resize", giveFocus);
document.addEventListener("toggle", giveFocus, true);
