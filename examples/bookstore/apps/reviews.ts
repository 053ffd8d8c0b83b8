/**
 * reviews: what readers say. `GET /reviews`. Three builds of one service: v1 has no stars, v2 asks ratings
 * and shows them black, v3 shows them red.
 */
import { contextOf, getJson, instance, notFound, serve, version } from './service.ts';

interface Review {
  readonly book: number;
  readonly reader: string;
  readonly text: string;
}

const reviews: readonly Review[] = [
  { book: 1, reader: 'Dorothea', text: 'Every person in town is somebody by the end of it.' },
  { book: 2, reader: 'Victor', text: 'I should have stayed for the first conversation.' },
  { book: 3, reader: 'Emerson', text: 'A great deal about beans, and worth every row.' },
  { book: 4, reader: 'Mina', text: 'Keep your shorthand tidy: it saves the day.' },
  { book: 5, reader: 'Alice', text: 'Curious, but I have been to better gardens.' },
  { book: 6, reader: 'Filby', text: 'I was at that dinner and still argue about it.' },
];

const ratingsUrl = process.env.RATINGS_URL ?? 'http://ratings:9080/ratings';
const colour = version === 'v3' ? 'red' : 'black';

serve('reviews', async (request, url) => {
  if (url.pathname !== '/reviews') return notFound(url);
  if (version === 'v1') return { body: { version, instance, reviews } };
  const { ratings } = await getJson<{ ratings: Record<number, number> }>(
    ratingsUrl,
    contextOf(request.headers),
  );
  const starred = reviews.map((review) => ({ ...review, stars: ratings[review.book] ?? 0, colour }));
  return { body: { version, instance, reviews: starred } };
});
