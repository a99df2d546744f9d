/** Style of the page of `watch`, beside the style of reports. */
import { STYLE } from '../report/style';

export const WATCH_STYLE = `${STYLE}
main.several { max-width: 120rem; }
.runs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 32rem), 1fr)); gap: 2rem; align-items: start; }
.run { min-width: 0; scroll-margin-top: 1rem; }
.run h1 { font-size: 1.25rem; }
.run > div > p { margin: 0 0 .4rem; }
#run-all { grid-column: 1 / -1; max-width: 56rem; }
#connection { background: var(--soft); border: 1px solid var(--alert); color: var(--alert); border-radius: 6px; padding: .4rem .8rem; position: sticky; top: .5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .4rem 1rem; list-style: none; margin: 0 0 1rem; padding: 0; font-size: .9rem; }
.state span { display: inline-block; border: 1px solid var(--line); border-radius: 1rem; padding: .05rem .7rem; font-size: .85rem; }
.state.training span { border-color: #2da44e; }
.state.unreadable span { border-color: var(--alert); color: var(--alert); }
.progress span { font-size: .9rem; }
progress { display: block; width: 100%; height: .6rem; accent-color: #0072b2; }
.values { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .6rem 1rem; margin: 1rem 0; }
.values dt { font-size: .8rem; color: var(--muted); }
.values dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; overflow-wrap: anywhere; }
.detector caption { text-align: left; font-size: .8rem; color: var(--muted); }
.detector .emerged td:last-child { font-weight: 600; }
.paper img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.run figure { margin-bottom: 1.4rem; }
@media print { nav, #connection { display: none; } .runs { display: block; } }
`;
