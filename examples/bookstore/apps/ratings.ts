/** ratings: stars out of five, per book. `GET /ratings`. */
import { books } from './books.ts';
import { instance, notFound, serve, version } from './service.ts';

const stars: Readonly<Record<number, number>> = { 1: 5, 2: 4, 3: 3, 4: 4, 5: 2, 6: 5 };

serve('ratings', (_request, url) => {
  if (url.pathname !== '/ratings') return notFound(url);
  const ratings = Object.fromEntries(books.map(({ id }) => [id, stars[id] ?? 0]));
  return { body: { version, instance, ratings } };
});
