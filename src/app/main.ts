/** Where the program starts. Apart from `command-line.ts`, so that a start-up snapshot can hold that unstarted. */
import { main } from './command-line.ts';

await main();
