// Dark or light: the system's choice until somebody makes one. Loaded before the page is drawn.
"use strict";
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
