// Answers with the headers that it got, as JSON.
import http from 'node:http';

const { HOST, PORT = '8080' } = process.env;

http
  .createServer(({ headers }, response) => response.end(JSON.stringify(headers)))
  .listen(Number(PORT), HOST);

process.on('SIGTERM', () => process.exit(0));
