// The page after a failed attempt is this one again, with #wrong.
document.getElementById("wrong").hidden = location.hash !== "#wrong";
// A link from another site brings no cookie (SameSite=Strict): who is logged in goes on.
const answer = await fetch("/api/status");
if (answer.ok) location.replace("/");
