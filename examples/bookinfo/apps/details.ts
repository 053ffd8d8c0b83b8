/** details: facts about a product. `GET /details/ID`. */
import { notFound, serve } from '../../bookstore/apps/service.ts';

serve('details', (_request, url) => {
  if (url.pathname === '/health') return { body: { status: 'Details is healthy' } };
  const id = /^\/details\/(\d+)$/.exec(url.pathname)?.[1];
  if (id === undefined) return notFound(url);
  return {
    body: {
      id: Number(id),
      author: 'William Shakespeare',
      year: 1595,
      type: 'paperback',
      pages: 200,
      publisher: 'Heddle Press',
      language: 'English',
      'ISBN-10': '1234567890',
      'ISBN-13': '123-1234567890',
    },
  };
});
