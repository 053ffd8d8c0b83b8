/** catalog: the books on sale. `GET /books`, `GET /books/ID`. */
import { books } from './books.ts';
import { instance, notFound, serve, version } from './service.ts';

serve('catalog', (_request, url) => {
  if (url.pathname === '/books') return { body: { version, instance, books } };
  const id = /^\/books\/(\d+)$/.exec(url.pathname)?.[1];
  const book = books.find((candidate) => candidate.id === Number(id));
  return book === undefined ? notFound(url) : { body: { version, instance, books: [book] } };
});
