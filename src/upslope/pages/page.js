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
