/**
 * productpage: the page of one book, from details and reviews. `/productpage`, `/api/v1/products…`, and a
 * sign-in that only sets a name: it travels as the header `end-user`, which routing rules look at.
 */
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { escapeHtml } from '../../bookstore/apps/html.ts';
import { type Answer, contextOf, getJson, notFound, serve } from '../../bookstore/apps/service.ts';

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars?: number; readonly color?: string; readonly error?: string };
}

const product = {
  id: 0,
  title: 'A Midsummer Night’s Dream',
  descriptionHtml: 'Four lovers, one wood, no sleep.',
};

type Context = Readonly<Record<string, string>>;
const getDetails = (context: Context) =>
  getJson<Record<string, unknown>>('http://details:9080/details/0', context);
const getReviews = (context: Context) =>
  getJson<{ podname: string; reviews: Review[] }>('http://reviews:9080/reviews/0', context);

serve('productpage', async (request, url) => {
  const user = signedInAs(request);
  const context = contextOf(request.headers);
  if (user !== undefined) context['end-user'] = user;
  switch (url.pathname) {
    case '/':
    case '/index.html':
    case '/productpage':
      return { body: await page(context) };
    case '/health':
      return { body: { status: 'Product page is healthy' } };
    case '/login':
      return signIn(request);
    case '/logout':
      return toPage('user=; Path=/; Max-Age=0');
    case '/api/v1/products':
      return { body: [product] };
    case '/api/v1/products/0':
      return { body: await getDetails(context) };
    case '/api/v1/products/0/reviews':
      return { body: await getReviews(context) };
    case '/api/v1/products/0/ratings':
      return { body: await getJson('http://ratings:9080/ratings/0', context) };
    default:
      return notFound(url);
  }
});

function signedInAs(request: IncomingMessage): string | undefined {
  return /(?:^|;\s*)user=([\w.-]+)/.exec(request.headers.cookie ?? '')?.[1];
}

async function signIn(request: IncomingMessage): Promise<Answer> {
  const user = new URLSearchParams(await text(request)).get('username') ?? '';
  if (!/^[\w.-]+$/.test(user)) return { status: 400, body: { error: 'username: letters, digits, . _ -' } };
  return toPage(`user=${user}; Path=/; HttpOnly`);
}

function toPage(cookie: string): Answer {
  return { status: 302, headers: { location: '/productpage', 'set-cookie': cookie }, body: '' };
}

/** Either part may be missing; the page then says so, as the original does. */
async function page(context: Context): Promise<string> {
  const [details, reviews] = await Promise.allSettled([getDetails(context), getReviews(context)]);
  const facts =
    details.status === 'fulfilled'
      ? `<dl>${Object.entries(details.value)
          .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(String(value))}</dd>`)
          .join('')}</dl>`
      : '<p>Error fetching product details!</p>';
  const said =
    reviews.status === 'fulfilled'
      ? `${reviews.value.reviews.map(quote).join('')}<p>Reviews served by: <code>${escapeHtml(reviews.value.podname)}</code></p>`
      : '<p>Error fetching product reviews!</p>';
  const signedIn = context['end-user'];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${product.title}</title>
<style>body{max-width:46rem;margin:2rem auto;font:1rem/1.5 Georgia,serif}dl{display:grid;grid-template-columns:8rem 1fr}dd{margin:0}.black{color:#222}.red{color:#c62828}form{float:right}</style></head>
<body>${signedIn === undefined ? '<form method="post" action="/login"><input name="username" placeholder="name"><button>Sign in</button></form>' : `<form action="/logout">${escapeHtml(signedIn)} <button>Sign out</button></form>`}
<h1>${product.title}</h1><p>${product.descriptionHtml}</p>
<h2>Book Details</h2>${facts}
<h2>Book Reviews</h2>${said}
</body></html>
`;
}

function quote({ reviewer, text, rating }: Review): string {
  const stars =
    rating?.stars === undefined
      ? escapeHtml(rating?.error ?? '')
      : `<span class="${escapeHtml(rating.color ?? '')}">${'★'.repeat(rating.stars)}${'☆'.repeat(5 - rating.stars)}</span>`;
  return `<blockquote><p>${escapeHtml(text)}</p><footer>${escapeHtml(reviewer)} ${stars}</footer></blockquote>`;
}
