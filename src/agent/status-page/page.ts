import { createHash } from 'node:crypto';
import { statusScript } from './script.ts';

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5d9de, #3a4048); --soft: light-dark(#5b6470, #9aa4b0);
  --bad: light-dark(#b3261e, #ff8a80); --good: light-dark(#1b6e3c, #7bd88f);
  --c0: light-dark(#1f5fbf, #7fb2ff); --c1: light-dark(#a15c00, #ffb454); --c2: light-dark(#b3261e, #ff8a80); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; font: 1rem/1.45 system-ui, sans-serif;
  background: light-dark(#fff, #16191d); color: light-dark(#1a1d21, #e4e7eb); }
h1 { font-size: 1.25rem; margin: 0; } h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
.state { font-weight: 600; margin: .2rem 0; overflow-wrap: anywhere; } .good { color: var(--good); }
p.bad, .bad h2, .bad td:first-child { color: var(--bad); } #about, .legend, th { color: var(--soft); }
#about { margin: 0; overflow-wrap: anywhere; }
.charts { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
svg { display: block; width: 100%; height: 9rem; }
.grid { stroke: var(--line); vector-effect: non-scaling-stroke; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; }
#syncs .line { stroke-width: 5; }
.line-0 { color: var(--c0); } .line-1 { color: var(--c1); } .line-2 { color: var(--c2); }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: .2rem 0; font-size: .85rem; }
.key::before { content: ''; display: inline-block; width: .8em; height: .2em; margin-right: .4em;
  vertical-align: middle; background: currentColor; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; min-width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; white-space: nowrap; } td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block; } tr:first-child { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .3rem 0; }
  td { display: grid; grid-template-columns: 8rem 1fr; border: 0; padding: .1rem 0; }
  td::before { content: attr(data-label); color: var(--soft); }
}
`;

/** One page without an asset, live by its own script, for a phone as for a desk, light or dark. */
const SCRIPT = `(${String(statusScript)})().run(window);`;

/** The status page. */
export const STATUS_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>podwire</title>
<style>${STYLE}</style>
<h1>podwire</h1>
<p id="state" class="state">looking</p>
<p id="about"></p>
<div class="charts">
<section><h2>Rules sent to the kernel, half an hour</h2><div id="syncs"></div></section>
<section><h2>DNS answers, half an hour</h2><div id="answers"></div></section>
</div>
<div id="sections"></div>
<noscript><p>Without scripts: <a href="/status.json">/status.json</a></p></noscript>
<script>${SCRIPT}</script>
</html>
`;

/** Nothing but the style and the script above, and questions to where the page is from. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src '${hashOf(STYLE)}'`,
  `script-src '${hashOf(SCRIPT)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
