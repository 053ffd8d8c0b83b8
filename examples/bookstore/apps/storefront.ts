/**
 * storefront: the page people see, composed from every other service.
 *
 *   /                     the page (`?tester` asks as a tester)
 *   /api/page             the same as JSON
 *   /api/reviews          only what reviews answered: a cheap way to watch the canary
 *   /api/catalog          only what catalog answered
 *   /api/recommendations  only what recommendations answered
 */
import type { Book } from './books.ts';
import { type Page, type Part, type Review, renderPage } from './page.ts';
import { suggestions } from './recommendations-client.ts';
import { type Answer, contextOf, getJson, notFound, serve, version } from './service.ts';
import { copiesOf } from './stock-client.ts';

type Context = Readonly<Record<string, string>>;

const catalogUrl = process.env.CATALOG_URL ?? 'http://catalog:9080/books';
const reviewsUrl = process.env.REVIEWS_URL ?? 'http://reviews:9080/reviews';

const getCatalog = (context: Context) =>
  getJson<{ version: string; instance: string; books: Book[] }>(catalogUrl, context);
const getReviews = (context: Context) =>
  getJson<{ version: string; instance: string; reviews: Review[] }>(reviewsUrl, context);

/** A part that cannot be had leaves a gap with its reason; the page still stands. */
async function part<Body>(answer: Promise<Body>): Promise<Part<Body>> {
  try {
    return { ok: true, body: await answer };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

async function compose(context: Context): Promise<Page> {
  const catalog = await part(getCatalog(context));
  const ids = catalog.ok ? catalog.body.books.map(({ id }) => id) : [];
  const [reviews, recommendations, stock] = await Promise.all([
    part(getReviews(context)),
    part(suggestions()),
    part(copiesOf(ids).then((copies) => Object.fromEntries(copies))),
  ]);
  return { version, tester: context['x-tester'] !== undefined, catalog, reviews, recommendations, stock };
}

/** One part alone: 502 when its service did not answer, so that a script sees it. */
async function only(answer: Promise<unknown>): Promise<Answer> {
  const result = await part(answer);
  return result.ok ? { body: result.body } : { status: 502, body: { error: result.error } };
}

serve('storefront', async (request, url) => {
  const context = contextOf(request.headers);
  if (url.searchParams.has('tester')) context['x-tester'] = 'true';
  switch (url.pathname) {
    case '/':
      return { body: renderPage(await compose(context)) };
    case '/api/page':
      return { body: await compose(context) };
    case '/api/catalog':
      return only(getCatalog(context));
    case '/api/reviews':
      return only(getReviews(context));
    case '/api/recommendations':
      return only(suggestions());
    default:
      return notFound(url);
  }
});
