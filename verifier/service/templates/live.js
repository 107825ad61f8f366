// Keeps a page as it would be if it were loaded again, without taking away the focus or what is selected. Parts that may change
// have an id and `data-live`; `data-seconds` of the page that is shown says when to look again, and where it is missing nobody does.
"use strict";

(() => {
  const seconds = () => Number(document.querySelector("[data-seconds]")?.dataset.seconds);
  const control = document.getElementById("again");
  if (!seconds() || !control) return;

  let paused = false;
  const button = document.createElement("button");
  button.type = "button";
  const label = () => { button.textContent = paused ? "Go on updating" : "Stop updating"; };
  button.addEventListener("click", () => { paused = !paused; label(); });
  label();
  control.replaceChildren(button);

  const isInUse = (part) => {
    const selection = getSelection();
    return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
  };

  const take = (page) => {
    const isEnd = !page.querySelector("[data-seconds]");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = page.getElementById(part.id);
      if (!next) continue;
      if (part.className !== next.className) part.className = next.className;
      if (part.dataset.live === "class" || part.innerHTML === next.innerHTML) continue;
      const hasFocus = part.contains(document.activeElement);
      if (isInUse(part) && !isEnd) continue;
      part.replaceChildren(...next.childNodes);
      // What had the focus is gone: it goes on at the heading, not at the top of the page.
      if (hasFocus) document.querySelector("h1").focus();
    }
    document.title = page.title;
    if (!isEnd) return;
    if (document.activeElement === button) document.querySelector("h1").focus();
    control.replaceChildren();
    for (const mark of document.querySelectorAll("[data-seconds]")) delete mark.dataset.seconds;
  };

  const look = async () => {
    if (!paused && !document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.redirected) return location.reload();
        if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        // The service may be away for a moment.
      }
    }
    if (seconds()) setTimeout(look, seconds() * 1000);
  };
  setTimeout(look, seconds() * 1000);
})();
