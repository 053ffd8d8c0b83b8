/** reviews: `GET /reviews/ID`. v1 has no stars; v2 (black) and v3 (red) ask ratings, and say so when it fails. */
import { contextOf, getJson, instance, notFound, serve, version } from '../../bookstore/apps/service.ts';

const texts: readonly { reviewer: string; text: string }[] = [
  { reviewer: 'Reviewer1', text: 'The stage is a forest, and everyone in it is somebody else by morning.' },
  { reviewer: 'Reviewer2', text: 'I laughed at the lion, and the lion was pleased.' },
];
const color = version === 'v3' ? 'red' : 'black';

serve('reviews', async (request, url) => {
  if (url.pathname === '/health') return { body: { status: 'Reviews is healthy' } };
  const id = /^\/reviews\/(\d+)$/.exec(url.pathname)?.[1];
  if (id === undefined) return notFound(url);
  const reviews =
    version === 'v1'
      ? texts
      : await withStars(`http://ratings:9080/ratings/${id}`, contextOf(request.headers));
  return { body: { id, podname: instance, clustername: 'null', reviews } };
});

async function withStars(url: string, context: Readonly<Record<string, string>>): Promise<unknown[]> {
  try {
    const { ratings } = await getJson<{ ratings: Record<string, number> }>(url, context);
    return texts.map((review) => ({ ...review, rating: { stars: ratings[review.reviewer] ?? 0, color } }));
  } catch {
    const error = 'Ratings service is currently unavailable';
    return texts.map((review) => ({ ...review, rating: { error } }));
  }
}
