/** The style of the page. Figures stay on white in dark mode, as they appear in papers. */
export const STYLE = `
:root { --ink: #1f2328; --muted: #59636e; --line: #d1d9e0; --page: #ffffff; --soft: #f6f8fa; --shade: #00000055; --alert: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --muted: #9198a1; --line: #3d444d; --page: #0d1117; --soft: #151b23; --shade: #ffffff66; --alert: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, Helvetica, Arial, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
header p { margin: 0; color: var(--muted); }
.wide { overflow-x: auto; }
/* A shadow at an edge tells that the table goes on there; at the end of the table its cover hides it. */
.wide { background: linear-gradient(to right, var(--page) 30%, transparent) left, linear-gradient(to left, var(--page) 30%, transparent) right,
  radial-gradient(farthest-side at 0 50%, var(--shade), transparent) left, radial-gradient(farthest-side at 100% 50%, var(--shade), transparent) right;
  background-repeat: no-repeat; background-size: 3rem 100%, 3rem 100%, 1rem 100%, 1rem 100%;
  background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.note { margin: .5rem 0 0; color: var(--muted); font-size: .85rem; }
.synthetic, header .synthetic { color: var(--alert); font-weight: 600; }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; }
.summary { width: 100%; }
.summary tbody th { min-width: 11rem; }
.epochs tbody th { min-width: 0; }
.summary th:not(:first-child), .summary td { text-align: right; white-space: nowrap; padding: .35rem 0 .35rem .9rem; }
.provenance th { color: var(--muted); white-space: nowrap; }
.provenance td { overflow-wrap: anywhere; }
figure { margin: 0 0 2.2rem; break-inside: avoid; }
.paper { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; overflow-x: auto; }
.paper svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.on-narrow { display: none; }
.files { margin: 0; padding-left: 1.2rem; font-size: .9rem; overflow-wrap: anywhere; }
a { color: inherit; }
figcaption { font-size: .9rem; color: var(--muted); margin-top: .6rem; }
.save { margin: .3rem 0 0; font-size: .85rem; color: var(--muted); }
.save a { padding: .2rem .3rem; }
a:focus-visible, summary:focus-visible, .wide:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; border-radius: 3px; }
figcaption strong { color: var(--ink); }
summary { cursor: pointer; margin: 1rem 0 .5rem; font-weight: 500; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .8rem; overflow-x: auto; font-size: .82rem; }
@media screen and (max-width: 50rem) {
  .on-wide { display: none; }
  .on-narrow { display: block; }
  .paper { padding: .2rem; }
}
@media print {
  :root { --ink: #000000; --muted: #444444; --line: #bbbbbb; --page: #ffffff; --soft: #ffffff; --shade: transparent; --alert: #b3261e; }
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  .wide { overflow: visible; }
  table { font-size: 8.5pt; }
  .summary tbody th { min-width: 0; }
  .summary th:not(:first-child), .summary td { padding-left: .6rem; }
  .paper { border: 0; padding: 0; overflow: visible; }
  .save { display: none; }
  h2, summary { break-after: avoid; }
  tr { break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  pre { white-space: pre-wrap; }
}
`;
