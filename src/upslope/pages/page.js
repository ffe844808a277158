for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy);
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      done = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    const said = document.getElementById("said");
    said.textContent = done ? "Copied" : "Selected: copy it with the keyboard";
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
  });
}
for (const film of document.querySelectorAll(".film")) {
  const clips = [...film.querySelectorAll("video")];
  for (const clip of clips) {
    clip.addEventListener("play", () => clips.forEach((one) => one.play().catch(() => {})));
    clip.addEventListener("pause", () => clips.forEach((one) => one.pause()));
  }
}
for (const slides of document.querySelectorAll(".slides")) {
  const figures = [...slides.querySelectorAll(".shown > figure")];
  const range = slides.querySelector("input");
  let place = 0;
  const show = (wanted, aloud = true) => {
    place = Math.min(Math.max(wanted, 0), figures.length - 1);
    figures.forEach((figure, number) => { figure.hidden = number !== place; });
    range.value = place;
    if (aloud) {
      document.getElementById("said").textContent = figures[place].querySelector("figcaption").textContent;
    }
  };
  const steps = {
    first: () => show(0), back: () => show(place - 1),
    next: () => show(place + 1), last: () => show(figures.length - 1),
  };
  slides.querySelector(".steps").hidden = false;
  for (const button of slides.querySelectorAll("button[data-step]")) {
    button.addEventListener("click", steps[button.dataset.step]);
  }
  range.addEventListener("input", () => show(Number(range.value)));
  document.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last" };
    const inside = slides.contains(event.target) || event.target === document.body;
    if (!(event.key in keys) || !inside || event.target === range || event.altKey || event.metaKey) return;
    event.preventDefault();
    steps[keys[event.key]]();
  });
  show(0, false);
}
