/** ratings: stars by reviewer. `GET /ratings/ID`. */
import { notFound, serve } from '../../bookstore/apps/service.ts';

serve('ratings', (_request, url) => {
  if (url.pathname === '/health') return { body: { status: 'Ratings is healthy' } };
  const id = /^\/ratings\/(\d+)$/.exec(url.pathname)?.[1];
  if (id === undefined) return notFound(url);
  return { body: { id: Number(id), ratings: { Reviewer1: 5, Reviewer2: 4 } } };
});
