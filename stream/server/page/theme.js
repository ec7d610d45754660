/** Light or dark: as the system says until the reader says otherwise, and remembered no longer than the page lives. */

/** @param {HTMLButtonElement} button @param {() => void} changed Called after each change. */
export function followTheme(button, changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  /** @type {boolean | null} */
  let chosen = null;
  const apply = () => {
    const dark = chosen ?? system.matches;
    if (chosen !== null) document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
    changed();
  };
  system.addEventListener("change", apply);
  button.addEventListener("click", () => {
    chosen = !(chosen ?? system.matches);
    apply();
  });
  apply();
}

/** @param {string} name @returns {string} A colour of the theme, as a canvas takes it. */
export function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** From negative over middle to positive. @param {HTMLElement} element @param {number | null} score */
export function tint(element, score) {
  if (score === null) return element.style.removeProperty("--tone");
  const side = score < 0 ? "negative" : "positive";
  const share = Math.round(Math.min(1, Math.abs(score) * 1.25) * 100);
  return element.style.setProperty("--tone", `color-mix(in oklab, var(--${side}) ${share}%, var(--middle))`);
}
