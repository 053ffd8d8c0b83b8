/** The storefront's page: values in, HTML out. */
import type { Book } from './books.ts';
import { escapeHtml } from './html.ts';
import { css } from './page-style.ts';
import type { SuggestReply } from './recommendations-api.ts';

/** What one service contributed, or why it did not. */
export type Part<Body> =
  | { readonly ok: true; readonly body: Body }
  | { readonly ok: false; readonly error: string };

export interface Review {
  readonly book: number;
  readonly reader: string;
  readonly text: string;
  /** Absent in v1. */
  readonly stars?: number;
  readonly colour?: 'black' | 'red';
}

interface Answered {
  readonly version: string;
  readonly instance: string;
}

export interface Page {
  readonly version: string;
  readonly tester: boolean;
  readonly catalog: Part<Answered & { readonly books: readonly Book[] }>;
  readonly reviews: Part<Answered & { readonly reviews: readonly Review[] }>;
  readonly recommendations: Part<SuggestReply>;
  /** Copies by book id. */
  readonly stock: Part<Readonly<Record<string, number | undefined>>>;
}

export function renderPage(page: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Bookstore</title>
<style>${css}</style>
</head>
<body>
<header>
  <h1>The Bookstore</h1>
  <nav>${page.tester ? 'Reading as <b>tester</b> · <a href="/">as a customer</a>' : 'Reading as <b>customer</b> · <a href="/?tester">as a tester</a>'}</nav>
</header>
${recommendations(page)}
<main>${page.catalog.ok ? page.catalog.body.books.map((book) => card(book, page)).join('\n') : gap(page.catalog.error)}</main>
<footer>${answeredBy(page)}</footer>
</body>
</html>
`;
}

function card(book: Book, page: Page): string {
  const reviews = page.reviews.ok
    ? page.reviews.body.reviews.filter((review) => review.book === book.id)
    : [];
  return `<article>
  <div class="cover" style="background:${escapeHtml(book.cover)}"><span>${escapeHtml(book.title)}</span></div>
  <h2>${escapeHtml(book.title)}</h2>
  <p class="by">${escapeHtml(book.author)}, ${book.year} ${stock(book, page)}</p>
  ${page.reviews.ok ? reviews.map(review).join('') : gap(page.reviews.error)}
</article>`;
}

function review({ reader, text, stars, colour }: Review): string {
  const shown =
    stars === undefined
      ? ''
      : `<span class="stars ${colour ?? 'black'}" title="${stars} of 5">${'★'.repeat(stars)}${'☆'.repeat(5 - stars)}</span>`;
  return `<blockquote>${shown}<p>${escapeHtml(text)}</p><cite>${escapeHtml(reader)}</cite></blockquote>`;
}

function stock(book: Book, page: Page): string {
  if (!page.stock.ok)
    return `<span class="stock" title="${escapeHtml(page.stock.error)}">stock unknown</span>`;
  const copies = page.stock.body[book.id] ?? 0;
  return `<span class="stock ${copies === 0 ? 'out' : ''}">${copies === 0 ? 'sold out' : `${copies} in stock`}</span>`;
}

function recommendations({ recommendations: part, catalog }: Page): string {
  if (!part.ok) return `<aside>${gap(part.error)}</aside>`;
  const titles = part.body.books.map((id) => {
    const book = catalog.ok ? catalog.body.books.find((candidate) => candidate.id === id) : undefined;
    return `<li>${escapeHtml(book?.title ?? `book ${id}`)}</li>`;
  });
  return `<aside><h3>${escapeHtml(part.body.reason)}</h3><ul>${titles.join('')}</ul></aside>`;
}

function gap(reason: string): string {
  return `<p class="gap">${escapeHtml(reason)}</p>`;
}

function answeredBy(page: Page): string {
  const chip = (name: string, part: Part<Partial<Answered>>): string =>
    `<span class="chip ${part.ok ? '' : 'bad'}">${name} ${part.ok ? `<b>${escapeHtml(part.body.version ?? '')}</b> ${escapeHtml(part.body.instance ?? '')}` : 'did not answer'}</span>`;
  return [
    `<span class="chip">storefront <b>${escapeHtml(page.version)}</b></span>`,
    chip('catalog', page.catalog),
    chip('reviews', page.reviews),
    chip('recommendations', page.recommendations),
    chip('stock', page.stock.ok ? { ok: true, body: {} } : page.stock),
  ].join('\n');
}
