// Names for what the theme leaves without one, and a way for the keyboard to what scrolls sideways.
(function () {
  const wide = ".highlight pre, .table-wrapper, div.math, .cell_output pre";
  const names = { ".sidebar-drawer": "Contents", ".toc-drawer": "On this page" };

  function name() {
    for (const [place, label] of Object.entries(names)) {
      document.querySelector(place)?.setAttribute("aria-label", label);
    }
  }

  function reach() {
    for (const box of document.querySelectorAll(wide)) {
      if (box.scrollWidth > box.clientWidth) {
        box.setAttribute("tabindex", "0");
      } else {
        box.removeAttribute("tabindex");
      }
    }
  }

  name();
  window.addEventListener("load", reach);
  window.addEventListener("resize", reach);
})();
