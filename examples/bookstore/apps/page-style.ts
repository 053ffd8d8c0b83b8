/** The look of the storefront's page. */
export const css: string = `
:root { color-scheme: light; --ink: #23211d; --soft: #6d675d; --paper: #faf7f1; --line: #e4ddd0; --accent: #9a3b2f; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 Georgia, 'Times New Roman', serif; }
header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: .5rem 1.5rem; border-bottom: 2px solid var(--ink); }
h1 { margin: 0; font-size: 2.2rem; letter-spacing: -.02em; }
nav, .by, footer, cite { font-family: system-ui, sans-serif; font-size: .85rem; color: var(--soft); }
a { color: var(--accent); }
aside { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; margin: 1.25rem 0; padding: .75rem 1rem; background: #fff; border: 1px solid var(--line); border-left: 4px solid var(--accent); }
aside h3 { margin: 0; font-size: 1rem; }
aside ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none; font-style: italic; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.5rem; }
article { background: #fff; border: 1px solid var(--line); padding: 1rem; }
.cover { display: grid; place-items: center; height: 8rem; padding: 1rem; color: #fff; text-align: center; font-size: 1.2rem; box-shadow: inset .6rem 0 0 rgb(0 0 0 / .18); }
h2 { margin: .75rem 0 0; font-size: 1.15rem; }
.by { margin: 0; }
.stock { float: right; color: #2f6b3f; }
.stock.out { color: var(--accent); }
blockquote { margin: .75rem 0 0; padding-top: .75rem; border-top: 1px solid var(--line); }
blockquote p { margin: 0; font-style: italic; }
.stars { letter-spacing: .1em; }
.stars.black { color: #1c1a17; }
.stars.red { color: #c62828; }
.gap { margin: 0; color: var(--accent); font: .85rem/1.4 system-ui, sans-serif; overflow-wrap: anywhere; }
footer { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.chip { padding: .1rem .6rem; background: #fff; border: 1px solid var(--line); border-radius: 1rem; }
.chip.bad { color: var(--accent); border-color: var(--accent); }
`;
