// Gives a sign of life of the open task while the page is shown, and says when it is not open any more.
"use strict";

const EVERY_MILLISECONDS = 30000;
const form = document.getElementById("task");
const life = document.getElementById("life");

async function sign() {
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  try {
    const answer = await fetch(form.dataset.sign, { method: "POST", headers: { "X-CSRFToken": token } });
    const found = await answer.json();
    life.textContent = found.state === "ended"
      ? `This task is not open here any more (${found.because}). Save it now: what cannot be saved is kept as a draft.`
      : "";
  } catch {
    life.textContent = "The server does not answer. What you typed stays here; save it when it answers again.";
  }
}

setInterval(sign, EVERY_MILLISECONDS);
