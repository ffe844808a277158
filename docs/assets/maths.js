// Typesets what pymdownx.arithmatex has marked: \(...\) in a line, \[...\] by itself. What is wider than
// the page scrolls, and the keyboard reaches it.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const source = element.textContent.trim();
    katex.render(source.slice(2, -2), element, {
      displayMode: source.startsWith("\\["),
      throwOnError: false,
    });
  }
});

function reachScrollable() {
  for (const element of document.querySelectorAll("div.arithmatex, .md-typeset__scrollwrap")) {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}

window.addEventListener("load", reachScrollable);
window.addEventListener("resize", reachScrollable);
