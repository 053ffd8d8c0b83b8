/** The shop's shelf: what catalog sells and the other services talk about. */

export interface Book {
  readonly id: number;
  readonly title: string;
  readonly author: string;
  readonly year: number;
  /** Colour of the cover on the page. */
  readonly cover: string;
}

export const books: readonly Book[] = [
  { id: 1, title: 'Middlemarch', author: 'George Eliot', year: 1871, cover: '#39604f' },
  { id: 2, title: 'Frankenstein', author: 'Mary Shelley', year: 1818, cover: '#4d4a73' },
  { id: 3, title: 'Walden', author: 'Henry David Thoreau', year: 1854, cover: '#5c7a3d' },
  { id: 4, title: 'Dracula', author: 'Bram Stoker', year: 1897, cover: '#7c2f35' },
  { id: 5, title: 'Sylvie and Bruno', author: 'Lewis Carroll', year: 1889, cover: '#b0773a' },
  { id: 6, title: 'The Time Machine', author: 'H. G. Wells', year: 1895, cover: '#2f5f7c' },
];
